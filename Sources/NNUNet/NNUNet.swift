// NNUNet
