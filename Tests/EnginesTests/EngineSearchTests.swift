import Basics
import TestSupport
import Testing

@testable import Engines

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Libraries are empty files here: nothing is opened while searching.
@Suite struct EngineSearchTests {
  private let root: TemporaryFolder

  init() throws { root = try TemporaryFolder() }

  @discardableResult
  private func library(_ path: String) throws -> String {
    let full = root(path)
    try Path.makeFolder(Path.split(full).folder)
    try AtomicFile.write([], to: full)
    return full
  }

  private func program(_ path: String) throws {
    chmod(try library(path), 0o755)
  }

  private func search(_ environment: [String: String], explicit: String? = nil) -> EngineSearch {
    EngineSearch(
      explicitPath: explicit, environment: environment.mapValues { $0.isEmpty ? "" : root($0) },
      systemFolders: [root("system")])
  }

  @Test func order() throws {
    let own = try library("home/engines/openvino/2026.4.1/libs/libopenvino_c.so.2641")
    let older = try library("home/engines/openvino/2026.10.0/libs/libopenvino_c.so.26100")
    let environment = try library("venv/lib/python3.12/site-packages/openvino/libs/libopenvino_c.so.2640")
    try program("usr/bin/python3")
    let python = try library("usr/lib/python3/dist-packages/openvino/libs/libopenvino_c.so.2500")
    let user = try library("user/.local/lib/python3.11/site-packages/openvino/libs/libopenvino_c.so.2510")
    let pyenv = try library("user/.pyenv/versions/3.11.7/lib/python3.11/site-packages/openvino/libs/libopenvino_c.so.1")
    let system = try library("system/libopenvino_c.so.2400")
    let all = ["MICROTOME_HOME": "home", "VIRTUAL_ENV": "venv", "PATH": "usr/bin", "HOME": "user"]
    #expect(
      try search(all).openVINOLibraries() == [older, own, environment, python, user, pyenv, system])
    // What the user names stands alone.
    let named = try library("named/libopenvino_c.so.2641")
    #expect(try search(all.merging(["MICROTOME_OPENVINO": "named"]) { $1 }).openVINOLibraries() == [named])
    let explicit = try library("explicit/openvino/libs/libopenvino_c.so.2641")
    #expect(
      try search(["MICROTOME_OPENVINO": "named"], explicit: root("explicit")).openVINOLibraries() == [explicit])
    #expect(try search([:], explicit: named).openVINOLibraries() == [named])
    #expect(try search([:]).openVINOLibraries() == [system])
  }

  @Test func orderOfPyTorch() throws {
    let own = try library("home/engines/torch/2.15.0/torch/lib/libtorch_cpu.so")
    let environment = try library("venv/lib/python3.12/site-packages/torch/lib/libtorch_cpu.so")
    try library("venv/lib/python3.12/site-packages/torch/lib/libtorch_cuda.so")
    let all = ["MICROTOME_HOME": "home", "VIRTUAL_ENV": "venv"]
    #expect(try search(all).torchLibraries() == [own, environment])
    let named = try library("named/torch/lib/libtorch_cpu.so")
    #expect(try search(all.merging(["MICROTOME_TORCH": "named"]) { $1 }).torchLibraries() == [named])
    #expect(throws: Failure.self) { try search(["MICROTOME_TORCH": "system"]).torchLibraries() }
  }

  @Test func orderOfONNXRuntime() throws {
    let own = try library("home/engines/onnxruntime/1.31.1/capi/libonnxruntime.so.1.31.1")
    try library("home/engines/onnxruntime/1.31.1/capi/libonnxruntime_providers_shared.so")
    let environment = try library("venv/lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so.1.20.0")
    let system = try library("system/libonnxruntime.so.1.17.0")
    let all = ["MICROTOME_HOME": "home", "VIRTUAL_ENV": "venv"]
    #expect(try search(all).onnxRuntimeLibraries() == [own, environment, system])
    #expect(try search(all.merging(["MICROTOME_ONNXRUNTIME": "system"]) { $1 }).onnxRuntimeLibraries() == [system])
    let registry = EngineRegistry(search: search(["MICROTOME_ONNXRUNTIME": "home"]))
    #expect(throws: Failure.self) { try registry.engine(named: "onnxruntime") }
  }

  @Test func namedButAbsent() throws {
    try library("system/libopenvino_c.so.2400")
    for search in [search([:], explicit: root("nothing")), search(["MICROTOME_OPENVINO": "nothing"])] {
      let failure = #expect(throws: Failure.self) { try search.openVINOLibraries() }
      #expect(failure?.kind == .engine)
      #expect(failure?.file == root("nothing"))
    }
    // An empty variable is as good as none.
    #expect(try search(["MICROTOME_OPENVINO": ""]).openVINOLibraries().count == 1)
  }

  @Test func virtualEnvironmentsOnThePath() throws {
    // The program is a link to the base installation, which has a package as well.
    try program("base/bin/python3")
    let base = try library("base/lib/python3.11/site-packages/openvino/libs/libopenvino_c.so.1")
    let own = try library("env/lib/python3.11/site-packages/openvino/libs/libopenvino_c.so.2")
    try Path.makeFolder(root("env/bin"))
    #expect(symlink(root("base/bin/python3"), root("env/bin/python3")) == 0)
    let real = try #require(realpath(root.path, nil))
    defer { free(real) }
    let found = try search(["PATH": "env/bin"]).openVINOLibraries()
    #expect(found == [own, base.replacing(root.path, with: String(cString: real))])
  }

  @Test func oneLibraryIsTriedOnce() throws {
    let library = try library("env/lib/python3.11/site-packages/openvino/libs/libopenvino_c.so.2")
    #expect(symlink(root("env"), root("same")) == 0)
    #expect(try search(["VIRTUAL_ENV": "env", "CONDA_PREFIX": "same"]).openVINOLibraries() == [library])
  }

  @Test func onlyTheLibraryItself() throws {
    try library("system/libopenvino.so.2641")
    try library("system/libopenvino_c_backup.txt")
    #expect(try search([:]).openVINOLibraries() == [])
    let mac = try library("system/libopenvino_c.2641.dylib")
    #expect(try search([:]).openVINOLibraries() == [mac])
  }

  @Test func dataFolder() {
    #expect(EngineSearch(environment: ["HOME": "/h"]).dataFolder == "/h/.local/share/microtome")
    #expect(EngineSearch(environment: ["HOME": "/h", "XDG_DATA_HOME": "/x"]).dataFolder == "/x/microtome")
    #expect(EngineSearch(environment: ["XDG_DATA_HOME": "/x", "MICROTOME_HOME": "/m"]).dataFolder == "/m")
    #expect(EngineSearch(environment: [:]).dataFolder == nil)
  }

  @Test(arguments: [("2024.9", "2024.10", true), ("2026.4.1", "2026.4", false), ("2023.3.0", "2024.0", true)])
  func versions(left: String, right: String, isOlder: Bool) {
    #expect(EngineSearch.isOlder(left, than: right) == isOlder)
    #expect(!EngineSearch.isOlder(left, than: left))
  }

  @Test func registryExplainsWhatIsMissing() throws {
    let registry = EngineRegistry(search: search([:]))
    let failure = #expect(throws: Failure.self) { try registry.engine(named: "openvino") }
    #expect(failure?.kind == .engine)
    #expect(failure?.hint?.contains("microtome engines install openvino") == true)
    let other = #expect(throws: Failure.self) { try registry.engine(named: "onnxruntime") }
    #expect(other?.hint?.contains("microtome engines install onnxruntime") == true)
    #expect(registry.entries().map(\.name) == ["native", "reference"])
    // What needs no library runs without one.
    #expect(try registry.engine().devices == ["CPU"])
    #expect(try registry.engine(named: "reference").name == "reference")
    #expect(#expect(throws: Failure.self) { try registry.engine(named: "abacus") }?.kind == .usage)
    // A file that is no library is passed over, and named when there is nothing better.
    let broken = try library("system/libopenvino_c.so.2641")
    #expect(#expect(throws: Failure.self) { try registry.engine(named: "openvino") }?.file == broken)
  }
}
