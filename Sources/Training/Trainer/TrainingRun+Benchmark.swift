import Basics
import Engines

extension TrainingRun {
  /// Trains without saving or validating anything, and adds the duration of the fastest epoch to
  /// `benchmark_result.json` in the fold's folder.
  ///
  /// - Returns: that duration, in seconds.
  public func benchmark(
    _ engine: any TrainingEngine, report: @escaping @Sendable (TrainingEvent) -> Void
  ) throws -> Double {
    let lock = try lockFold(report)
    defer { lock.release() }
    try prepareFolders()
    guard let history = try train(engine, report) else { return 0 }
    let fastest = zip(history.starts, history.ends).map { $1 - $0 }.min() ?? 0
    let path = Path.join(foldFolder, "benchmark_result.json")
    var results = Path.isFile(path) ? try JSON.read(path).object ?? [:] : [:]
    let name = [
      Host.name, "\(engine.name)\(engine.version)", options.compile.device, "num_gpus_1",
    ].joined(separator: "__")
    results[name] = .object([
      "torch_version": .string("\(engine.name) \(engine.version)"), "cudnn_version": .null,
      "gpu_name": .string(options.compile.device), "fastest_epoch": .double(fastest), "num_gpus": .int(1),
      "hostname": .string(Host.name),
    ])
    try AtomicFile.write(Array(JSON.object(results).text(indent: 4).utf8), to: path)
    report(.note("the fastest epoch took \(fastest.decimals(2)) s -> \(path)"))
    return fastest
  }
}
