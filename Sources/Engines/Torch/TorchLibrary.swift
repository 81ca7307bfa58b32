import Basics
import CSystem
import CTorch

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An opened PyTorch library. Libraries are never closed: threads they have started may outlive every object of ours.
final class TorchLibrary: @unchecked Sendable {
  /// The file that was opened: `libtorch_cpu.so`.
  let path: String
  /// "2.15.0"
  let version: String
  /// The function table, valid for the life of the process.
  let functions: OpaquePointer

  /// The first release with the interface that is used.
  static let oldestVersion = "2.10"

  /// Opens the library at `path`, which finds the libraries it needs where PyTorch's package has them.
  ///
  /// Throws `engine` when it cannot be loaded, is not PyTorch, or is too old.
  init(path: String) throws {
    let hint = "choose another one with MICROTOME_TORCH, or run: microtome engines install torch"
    Self.prepareEnvironment()
    NvidiaLibraries.torch.open(forLibrary: path)
    let library = try openEngineLibrary(path, hint: hint)
    let number = mt_torch_version(library)
    version = [56, 48, 40].map { String(number >> $0 & 0xFF) }.joined(separator: ".")
    guard number != 0, !EngineSearch.isOlder(version, than: Self.oldestVersion) else {
      throw Failure(
        .engine, "is a PyTorch older than \(Self.oldestVersion), the first that programs can use without Python",
        file: path, hint: "run: pip install --upgrade torch; or " + hint)
    }
    var missing: UnsafePointer<CChar>?
    guard let functions = mt_torch_bind(library, &missing) else {
      let name = missing.map { String(cString: $0) } ?? "a function"
      throw Failure(
        .engine, "is not a PyTorch of version \(Self.oldestVersion) or later (it lacks \(name))", file: path,
        hint: hint)
    }
    self.path = path
    self.functions = functions
    // On macOS the one library serves both.
    hasMPS = mt_torch_bind_device(functions, library, Int32(MT_TORCH_MPS)) == 0
    // Now or never: PyTorch decides with its first convolution, even on the processor, whether it knows such devices.
    let accelerator = Self.acceleratorLibrary(beside: path)
    cudaDevices = accelerator == nil ? 0 : Int(max(0, mt_cuda_device_count()))
    cudaLibrary =
      cudaDevices == 0
      ? nil
      : accelerator.map { file in
        Result { try openEngineLibrary(file) }.mapError(Failure.init(wrapping:))
      }
  }

  private let hasMPS: Bool
  private let cudaDevices: Int
  /// PyTorch's part for NVIDIA's devices, if there are such devices, or why it cannot be opened.
  private let cudaLibrary: Result<UnsafeMutableRawPointer, Failure>?

  /// What the library reads from the environment when it is opened. What the user has set stays.
  private static func prepareEnvironment() {
    // Without this the system hands out large arrays page by page, which costs a tenth of a training step.
    setenv("THP_MEM_ALLOC_ENABLE", "1", 0)
    // Threads that wait for each other spin for milliseconds otherwise. Where anybody else needs a core meanwhile (the
    // preparation of the next batch does), that makes small operations ten times slower. Not to spin at all costs a sixth
    // of a training step: a thread that has gone to sleep between two operations is late for the second.
    if getenv("OMP_WAIT_POLICY") == nil {
      setenv("GOMP_SPINCOUNT", "30000", 0)
      setenv("KMP_BLOCKTIME", "1", 0)
    }
  }

  /// The devices by the names that users give: "CPU", "CUDA:0", "MPS".
  var devices: [String] {
    var names = ["CPU"]
    names += (0..<cudaDevices).map { "CUDA:\($0)" }
    if hasMPS { names.append("MPS") }
    return names
  }

  /// Readies what a device needs beyond the processor's library. Throws `engine` when that cannot be used.
  func prepare(_ device: TorchDevice) throws {
    guard device.kind == .cuda, let library = try cudaLibrary?.get() else { return }
    guard mt_torch_bind_device(functions, library, device.kind.number) == 0 else {
      throw Failure(.engine, "the CUDA part of PyTorch \(version) is of another release", file: path)
    }
    mt_torch_try_convolutions(functions)
  }

  /// The library for NVIDIA's and AMD's graphics processors beside PyTorch's main one.
  private static func acceleratorLibrary(beside path: String) -> String? {
    let folder = Path.split(path).folder
    return ["libtorch_cuda.so", "libtorch_hip.so"].lazy.map { Path.join(folder, $0) }.first(where: Path.isFile)
  }

  /// Throws `engine` with the library's own message when `status` says that a call has failed.
  ///
  /// - Parameter action: What could not be done: "run a convolution".
  func check(_ status: Int32, _ action: @autoclosure () -> String) throws {
    guard status != 0 else { return }
    let message = String(cString: mt_torch_error(functions))
    let lines = message.split(whereSeparator: \.isNewline)
    let reason = lines.first.map { ": \($0.prefix(400))" } ?? " (the reason is above)"
    let isMemory = message.contains("memory")
    throw Failure(
      .engine, "PyTorch \(version) could not \(action())\(reason)",
      hint: isMemory ? "choose a smaller patch or batch, or another device" : nil)
  }

  /// Makes the library's operators use so many threads, if it can be told.
  func useThreads(_ count: Int) { mt_torch_use_threads(functions, Int32(clamping: max(1, count))) }

  /// Keeps freed memory for the next step of a training on the processor. Every array of a step would otherwise be new
  /// pages, which cost more time than most operations between convolutions.
  func keepMemory() { mt_torch_keep_memory() }

  /// How many threads its operators use.
  var threads: Int { Int(mt_torch_threads(functions)) }

  /// Calls `body` with the beginning and end of parts of 0..<count, on the threads of the library's own operators: other
  /// threads would have to wait for these, which keep their cores busy for a while after each operator.
  func parallel(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
    withoutActuallyEscaping(body) { body in
      var box = RangeBody(body: body)
      withUnsafeMutablePointer(to: &box) { box in
        _ = mt_torch_parallel(
          functions, Int64(count), Int64(max(1, grain)),
          { begin, end, context in
            context?.assumingMemoryBound(to: RangeBody.self).pointee.body(Int(begin)..<Int(end))
          }, box)
      }
    }
  }

  private struct RangeBody {
    var body: (Range<Int>) -> Void
  }
}

/// Where tensors live and operators run.
struct TorchDevice: Sendable, Equatable {
  enum Kind: Sendable {
    case cpu, cuda, mps

    var number: Int32 {
      switch self {
      case .cpu: Int32(MT_TORCH_CPU)
      case .cuda: Int32(MT_TORCH_CUDA)
      case .mps: Int32(MT_TORCH_MPS)
      }
    }
  }

  var kind: Kind
  var index: Int32 = 0

  static let cpu = TorchDevice(kind: .cpu)

  /// The device of that name among `devices`; "CUDA" and "GPU" are the first graphics processor.
  ///
  /// Throws `engine` when there is none.
  init(named name: String, among devices: [String]) throws {
    let wanted = name.uppercased().split(separator: ".").joined(separator: ":")
    let found = devices.first {
      $0 == wanted || $0.hasPrefix(wanted + ":") || (wanted == "GPU" && $0 != "CPU")
    }
    guard let found else {
      throw Failure(
        .engine, "PyTorch has no device \"\(name)\" here", hint: "it has \(devices.joined(separator: ", "))")
    }
    let parts = found.split(separator: ":")
    self.init(
      kind: parts[0] == "CPU" ? .cpu : parts[0] == "MPS" ? .mps : .cuda,
      index: parts.count > 1 ? Int32(parts[1]) ?? 0 : 0)
  }

  init(kind: Kind, index: Int32 = 0) {
    self.kind = kind
    self.index = index
  }
}
