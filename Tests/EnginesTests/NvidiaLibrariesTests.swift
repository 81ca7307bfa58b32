import Basics
import Foundation
import TestSupport
import Testing

@testable import Engines

@Suite struct NvidiaLibrariesTests {
  @Test func areFoundBesideTheEngine() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for file in [
      "nvidia/cu13/lib/libcublas.so.13", "nvidia/cu13/lib/libcublasLt.so.13", "nvidia/cu13/lib/libcudart.so.13",
      "nvidia/cu13/lib/libcudart_static.a", "nvidia/cu13/include/libcublas.so.h", "nvidia/cudnn/lib/libcudnn.so.9",
      "nvidia/cudnn/lib/libcudnn_ops.so.9", "tensorrt_libs/libnvinfer.so.10", "onnxruntime/capi/libonnxruntime.so",
    ] {
      let path = Path.join(folder, file)
      try FileManager.default.createDirectory(atPath: Path.split(path).folder, withIntermediateDirectories: true)
      try Data().write(to: URL(fileURLWithPath: path))
    }
    func names(_ libraries: NvidiaLibraries) -> [String] {
      libraries.files(in: folder).map { String($0.dropFirst(folder.count + 1)) }
    }
    let cuda = [
      "nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcublasLt.so.13", "nvidia/cu13/lib/libcublas.so.13",
      "nvidia/cudnn/lib/libcudnn_ops.so.9", "nvidia/cudnn/lib/libcudnn.so.9",
    ]
    #expect(names(.cuda) == cuda)
    #expect(names(.tensorRT) == cuda + ["tensorrt_libs/libnvinfer.so.10"])
    #expect(names(.torch) == ["nvidia/cu13/lib/libcudart.so.13"])
    #expect(NvidiaLibraries.cuda.files(in: folder + "/absent").isEmpty)
    // Files that are no libraries are passed over.
    NvidiaLibraries.tensorRT.open(forLibrary: folder + "/onnxruntime/capi/libonnxruntime.so")
  }
}
