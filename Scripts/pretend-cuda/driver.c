// A driver of NVIDIA's that has one device to offer.
int cuInit(unsigned flags) { return flags ? 1 : 0; }
int cuDeviceGetCount(int *count) {
  *count = 1;
  return 0;
}
