import Basics
import Engines

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension TrainingRun {
  /// Trains without saving or validating anything, and adds the duration of the fastest epoch to
  /// `benchmark_result.json` in the fold's folder.
  ///
  /// - Returns: that duration, in seconds.
  public func benchmark(
    _ engine: any TrainingEngine, report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> Double {
    try prepareFolders()
    guard let history = try train(engine, report) else { return 0 }
    let fastest = zip(history.starts, history.ends).map { $1 - $0 }.min() ?? 0
    let path = Path.join(foldFolder, "benchmark_result.json")
    var results = Path.isFile(path) ? try JSON.read(path).object ?? [:] : [:]
    let name = [
      Self.hostName, "\(engine.name)\(engine.version)", options.compile.device, "num_gpus_1",
    ].joined(separator: "__")
    results[name] = .object([
      "torch_version": .string("\(engine.name) \(engine.version)"), "cudnn_version": .null,
      "gpu_name": .string(options.compile.device), "fastest_epoch": .double(fastest), "num_gpus": .int(1),
      "hostname": .string(Self.hostName),
    ])
    try AtomicFile.write(Array(JSON.object(results).text(indent: 4).utf8), to: path)
    report(.note("the fastest epoch took \(fastest.decimals(2)) s -> \(path)"))
    return fastest
  }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return "unknown" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
