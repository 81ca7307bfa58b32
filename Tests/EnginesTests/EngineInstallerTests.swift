import Basics
import Checkpoints
import TestSupport
import Testing

@testable import Engines

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// With a script in pip's place, and a small archive in the wheel's.
@Suite struct EngineInstallerTests {
  private let root: TemporaryFolder
  private let wheel: String

  init() throws {
    root = try TemporaryFolder()
    wheel = root("engine.whl")
    let writer = try ZipWriter(path: wheel)
    try writer.add("openvino/libs/libopenvino_c.so.2641", Array("library".utf8))
    try writer.add("openvino/libs/libopenvino.so.2641", [1, 2, 3], method: .deflated)
    try writer.add("openvino/__init__.py", Array("import os".utf8))
    try writer.add("openvino-1.dist-info/licenses/LICENSE", Array("licence".utf8))
    try writer.commit()
    try Path.makeFolder(root("bin"))
  }

  /// A program in the folder that `PATH` consists of.
  private func program(_ name: String, _ script: String) throws {
    try AtomicFile.write(Array("#!/bin/sh\n\(script)\n".utf8), to: root("bin/\(name)"))
    chmod(root("bin/\(name)"), 0o755)
  }

  /// Copies the wheel to the folder after `--dest` and notes its arguments.
  private func fakePip() throws {
    try program(
      "python3",
      """
      echo "$@" >> '\(root.path)/calls'
      while [ "$1" != --dest ]; do shift; done
      /bin/cp '\(wheel)' "$2/openvino-1-cp311-cp311-any.whl"
      """)
  }

  private func installer(sha256: String? = nil) throws -> EngineInstaller {
    var installer = EngineInstaller(
      search: EngineSearch(environment: ["MICROTOME_HOME": root("home")], systemFolders: []))
    installer.environment = ["PATH": root("bin")]
    let file = try MappedFile(path: wheel)
    installer.packages = ["_x86_64", "_aarch64", "_arm64"].map {
      .init(
        engine: "openvino", version: "1.0",
        wheels: [
          .init(
            name: "openvino", version: "1.0", platform: "any\($0)", sha256: sha256 ?? SHA256.hexadecimal(file.bytes))
        ])
    }
    installer.isUsable = { Path.exists(Path.join($1, "libs/libopenvino_c.so.2641")) }
    return installer
  }

  private var content: [String] { (try? Path.list(root("home/engines/openvino"))) ?? [] }

  @Test func installs() throws {
    try fakePip()
    let folder = try installer().install("openvino", isQuiet: true)
    #expect(folder == root("home/engines/openvino/1.0"))
    #expect(content == ["1.0"])
    #expect(try Path.list(folder) == ["libs", "licenses"])
    #expect(try Path.read(Path.join(folder, "libs/libopenvino.so.2641")) == [1, 2, 3])
    #expect(try Path.list(Path.join(folder, "libs")).count == 2)
    let call = String(decoding: try Path.read(root("calls")), as: UTF8.self)
    #expect(call.hasPrefix("-m pip download --no-deps --only-binary=:all: "))
    #expect(call.contains("--platform any_") && call.contains(" openvino==1.0"))
    // What is found there is what has been installed.
    let search = try installer().search
    #expect(try search.openVINOLibraries() == [Path.join(folder, "libs/libopenvino_c.so.2641")])
    // A second time there is nothing to do.
    #expect(try installer().install("openvino", isQuiet: true) == folder)
    #expect(String(decoding: try Path.read(root("calls")), as: UTF8.self) == call)
  }

  /// An engine of several wheels: of each only the libraries that a processor needs, where they find each other.
  @Test func installsSeveralWheels() throws {
    let files = [
      "torch": [
        "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp.so.1", "torch/lib/libtorch_cuda.so",
        "torch/lib/libtorch_python.so", "torch/__init__.py", "torch/include/torch/lib.h", "torch.libs/libblas.so",
        "torch-1.dist-info/licenses/LICENSE",
      ],
      "nvidia-cuda-runtime": [
        "nvidia/cu13/lib/libcudart.so.13", "nvidia/cu13/lib/libcudart_static.a",
        "nvidia_cuda_runtime-1.dist-info/licenses/License.txt",
      ],
    ]
    var installer = try installer()
    try program(
      "python3",
      """
      while [ "$1" != --dest ]; do shift; done
      folder=$2
      while [ $# -gt 1 ]; do shift; done
      /bin/mkdir -p "$folder" && /bin/cp '\(root.path)'/"${1%%=*}".whl "$folder/wheel.whl"
      """)
    let wheels = try ["torch", "nvidia-cuda-runtime"].map { name in
      let path = root("\(name).whl")
      let writer = try ZipWriter(path: path)
      for file in files[name] ?? [] { try writer.add(file, Array(file.utf8)) }
      try writer.commit()
      let file = try MappedFile(path: path)
      return EngineInstaller.Wheel(
        name: name, version: "2", platform: "any", sha256: SHA256.hexadecimal(file.bytes))
    }
    installer.packages = ["_x86_64", "_aarch64", "_arm64"].map { suffix in
      .init(
        engine: "torch", version: "2.0",
        wheels: wheels.map { wheel in
          var wheel = wheel
          wheel.platform += suffix
          return wheel
        })
    }
    installer.isUsable = { Path.exists(Path.join($1, "torch/lib/libtorch_cpu.so")) }
    let folder = try installer.install("torch", isQuiet: true)
    #expect(try Path.list(folder).sorted() == ["licenses", "nvidia", "torch", "torch.libs"])
    #expect(
      try Path.list(Path.join(folder, "torch/lib")).sorted() == ["libc10.so", "libgomp.so.1", "libtorch_cpu.so"])
    #expect(try Path.list(Path.join(folder, "nvidia/cu13/lib")) == ["libcudart.so.13"])
    #expect(try Path.list(Path.join(folder, "licenses")).sorted() == ["LICENSE", "nvidia-cuda-runtime"])
    #expect(try installer.search.torchLibraries() == [Path.join(folder, "torch/lib/libtorch_cpu.so")])
  }

  @Test func refusesAnotherFile() throws {
    try fakePip()
    let expected = String(repeating: "0", count: 64)
    let failure = #expect(throws: Failure.self) {
      try installer(sha256: expected).install("openvino", isQuiet: true)
    }
    #expect(failure?.kind == .engine)
    #expect(failure?.message.contains(expected) == true)
    #expect(content == [])
  }

  @Test func refusesDamagedArchives() throws {
    try fakePip()
    var bytes = try Path.read(wheel)
    bytes.removeLast(10)
    try AtomicFile.write(bytes, to: wheel)
    #expect(throws: Failure.self) { try installer().install("openvino", isQuiet: true) }
    #expect(content == [])
  }

  @Test func takesBackWhatCannotBeLoaded() throws {
    try fakePip()
    var installer = try installer()
    installer.isUsable = { _, _ in false }
    let failure = #expect(throws: Failure.self) { try installer.install("openvino", isQuiet: true) }
    #expect(failure?.kind == .engine)
    #expect(content == [])
  }

  @Test func replacesWhatIsDamaged() throws {
    try fakePip()
    try Path.makeFolder(root("home/engines/openvino/1.0/libs"))
    try AtomicFile.write([1], to: root("home/engines/openvino/1.0/libs/rest"))
    let folder = try installer().install("openvino", isQuiet: true)
    #expect(!Path.exists(Path.join(folder, "libs/rest")))
    #expect(Path.exists(Path.join(folder, "libs/libopenvino_c.so.2641")))
    #expect(content == ["1.0"])
  }

  @Test func explainsFailures() throws {
    let absent = #expect(throws: Failure.self) { try installer().install("openvino", isQuiet: true) }
    #expect(absent?.message.contains("pip") == true && absent?.hint?.contains("python3-pip") == true)
    // Every way to call pip is tried, and the last exit status told.
    try program("python3", "exit 1")
    try program("pip3", "exit 23")
    let failed = #expect(throws: Failure.self) { try installer().install("openvino", isQuiet: true) }
    #expect(failed?.message.contains("23") == true)
    #expect(#expect(throws: Failure.self) { try installer().install("abacus") }?.kind == .usage)
    #expect(content == [])
  }

  @Test func programsEnds() throws {
    try program("ends", "exit $1")
    try program("dies", "kill -9 $$")
    let environment = ["PATH": root("bin")]
    #expect(try Subprocess.run(["ends", "7"], environment: environment, isQuiet: true) == 7)
    #expect(try Subprocess.run(["dies"], environment: environment, isQuiet: true) == 137)
    #expect(try Subprocess.run(["absent"], environment: environment, isQuiet: true) == nil)
    #expect(try Subprocess.run([root("bin/ends"), "0"], environment: environment, isQuiet: true) == 0)
  }
}
