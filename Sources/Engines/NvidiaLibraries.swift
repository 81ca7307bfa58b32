import Basics
import CSystem

/// Libraries of NVIDIA's that an engine needs, as Python's packages bring them: in folders `nvidia/*/lib` and
/// `tensorrt_libs` beside the engine's own package. The system does not look there, so that they must be opened by their
/// whole paths before; Python's engines do the same.
struct NvidiaLibraries {
  /// The beginnings of their file names, each behind those that it needs.
  let names: [String]

  static let torch = NvidiaLibraries(names: ["libcudart.so", "libcupti.so"])
  static let cuda = NvidiaLibraries(names: [
    "libcudart.so", "libnvJitLink.so", "libnvrtc.so", "libcublasLt.so", "libcublas.so", "libcurand.so", "libcufft.so",
    "libcudnn_graph.so", "libcudnn_ops.so", "libcudnn.so",
  ])
  static let tensorRT = NvidiaLibraries(
    names: cuda.names + ["libnvinfer.so", "libnvinfer_plugin.so", "libnvonnxparser.so"])

  /// Opens those that are found; what is missing shows when the engine needs it.
  ///
  /// - Parameter library: the engine's file, PACKAGES/PACKAGE/FOLDER/FILE.
  func open(forLibrary library: String) {
    let packages = Path.split(Path.split(Path.split(library).folder).folder).folder
    for file in files(in: packages) { _ = mt_library_open(file) }
  }

  /// Their files in a folder of packages, in the order of `names`.
  func files(in packages: String) -> [String] {
    let nvidia = Path.join(packages, "nvidia")
    let folders =
      ((try? Path.list(nvidia)) ?? []).sorted().map { Path.join(Path.join(nvidia, $0), "lib") }
      + [Path.join(packages, "tensorrt_libs")]
    let files = folders.flatMap { folder in
      ((try? Path.list(folder)) ?? []).sorted().map { (name: $0, path: Path.join(folder, $0)) }
    }
    return names.flatMap { start in files.filter { $0.name.hasPrefix(start) }.map(\.path) }
  }
}
