import Basics
import Dispatch
import Engines
import ImageFormats
import Imaging
import NNUNet
import Synchronization

/// Runs a mode over cases: reads ahead, predicts, cleans up and writes behind, and carries on past a bad case.
public final class ModeRun: Sendable {
  private let opened: OpenedMode
  private let engine: any Engine
  private let options: Options
  /// Receives events from several threads, one at a time.
  private let report: @Sendable (PredictionEvent) -> Void
  private let reporting = DispatchSemaphore(value: 1)

  /// How a mode is run.
  public struct Options: Sendable {
    public var compile = CompileOptions()
    /// nil for what each part of the mode says.
    public var step: Double?
    /// Leave out averaging over mirrored patches whatever the mode says.
    public var disablesMirroring = false
    /// Leave out cases whose labels exist.
    public var continues = false

    public init() {}
  }

  public init(
    _ opened: OpenedMode, engine: any Engine, options: Options, report: @escaping @Sendable (PredictionEvent) -> Void
  ) {
    self.opened = opened
    self.engine = engine
    self.options = options
    self.report = report
  }

  /// An image as each part's network wants it.
  private struct Ahead: Sendable {
    let orientation: Orientation
    let geometry: SourceGeometry
    /// Of the turned image, in mm.
    let spacing: Vector3D
    let warnings: [String]
    let prepared: [PreparedCase]
    let timing: CaseTiming
  }

  private struct Behind: Sendable {
    /// One a part, on the grid of the turned image.
    let labels: [LabelMap]
    let ahead: Ahead
    let timing: CaseTiming
  }

  /// Segments `cases`. A case that fails is reported and counted; the others are still done.
  ///
  /// Throws `engine` when the networks cannot be compiled, and `interrupted` when the user asked to stop.
  public func run(_ cases: [ModeCase]) throws -> PredictionRun.Summary {
    var summary = PredictionRun.Summary()
    let wanted = cases.filter { item in
      guard options.continues, Path.exists(item.output) else { return true }
      emit(.skipped(identifier: item.identifier))
      summary.skipped += 1
      return false
    }
    guard !wanted.isEmpty else { return summary }
    for folder in Set(wanted.map { Path.split($0.output).folder }) { try Path.makeFolder(folder) }
    let choices = opened.parts.map(predictionOptions)
    let predictors = try zip(opened.parts, choices).map {
      try Predictor(model: $0.model, engine: engine, options: $1)
    }
    let notes = predictors.flatMap(\.notes).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    emit(.ready(engine: predictors[0].engineName, precision: predictors[0].precision, notes: notes))
    let failures = Mutex<[PredictionRun.CaseFailure]>([])
    try CasePipeline.run(wanted) { item in
      try self.read(item)
    } work: { item, ahead in
      try self.predict(item, ahead, predictors, choices)
    } write: { item, result in
      try self.write(item, result)
    } failed: { item, failure in
      let failure = failure.located(in: item.images[0])
      failures.withLock { $0.append(PredictionRun.CaseFailure(identifier: item.identifier, failure: failure)) }
      self.emit(.failed(identifier: item.identifier, failure: failure))
    }
    summary.failures = failures.withLock { $0 }
    summary.finished = wanted.count - summary.failures.count
    return summary
  }

  private func predictionOptions(of part: OpenedMode.Part) -> PredictionOptions {
    var result = PredictionOptions()
    result.step = options.step ?? part.part.step ?? part.model.step ?? result.step
    result.mirroring = !options.disablesMirroring && part.part.mirrors ?? true
    result.compile = options.compile
    return result
  }

  private func emit(_ event: PredictionEvent) {
    reporting.wait()
    report(event)
    reporting.signal()
  }
}

// MARK: - The three threads

extension ModeRun {
  private func read(_ item: ModeCase) throws -> Ahead {
    try locating(item.images[0]) {
      var timing = CaseTiming()
      var clock = Stopwatch()
      let image = try opened.reader.read(item.images)
      timing.read = clock.lap()
      let orientation =
        try opened.mode.orientation.map { try Orientation(turning: image.geometry, towards: $0) } ?? .identity
      let turned = image.turned(by: orientation)
      var prepared: [(preparation: CasePreparation, result: PreparedCase)] = []
      for part in opened.parts {
        let preparation = CasePreparation(model: part.model)
        let same = prepared.first { $0.preparation.isEquivalent(to: preparation) }?.result
        prepared.append((preparation, try same ?? preparation.prepare(turned, identifier: item.identifier)))
      }
      timing.prepare = clock.lap()
      return Ahead(
        orientation: orientation, geometry: image.geometry, spacing: turned.spacing, warnings: image.warnings,
        prepared: prepared.map(\.result), timing: timing)
    }
  }

  private func predict(
    _ item: ModeCase, _ ahead: Ahead, _ predictors: [Predictor], _ choices: [PredictionOptions]
  ) throws -> Behind {
    for warning in ahead.warnings { emit(.warning("\(item.identifier): \(warning)")) }
    let passes = opened.parts.indices.map { index in
      let model = opened.parts[index].model
      return model.passesPerFold(for: ahead.prepared[index].record, choices[index]) * model.networkCount
    }
    let total = passes.reduce(0, +)
    emit(.began(identifier: item.identifier, passes: total))
    var timing = ahead.timing
    var clock = Stopwatch()
    var labels: [LabelMap] = []
    for (index, prepared) in ahead.prepared.enumerated() {
      let before = passes[..<index].reduce(0, +)
      let record = prepared.record
      let found = try predictors[index].predict(prepared, spoolFolder: nil) { done, _ in
        try Interruption.check()
        emit(.advanced(identifier: item.identifier, done: before + done, passes: total))
      }.labels
      labels.append(opened.parts[index].model.postprocessed(found, record: record))
    }
    timing.predict = clock.lap()
    return Behind(labels: labels, ahead: ahead, timing: timing)
  }

  private func write(_ item: ModeCase, _ result: Behind) throws {
    var clock = Stopwatch()
    let labels = try opened.combine(result.labels, spacing: result.ahead.spacing)
    let restored = labels.reoriented(result.ahead.orientation.inverse)
    try opened.reader.write(restored, as: item.output, like: result.ahead.geometry)
    var timing = result.timing
    timing.write = clock.lap()
    emit(.finished(identifier: item.identifier, output: item.output, timing: timing))
  }
}

extension OpenedMode {
  /// The labels of all parts in one map, cleaned up.
  ///
  /// - Parameters:
  ///   - found: what each part's network says, (Z, Y, X) on one grid.
  ///   - spacing: of its voxels in mm, (Z, Y, X).
  /// - Throws: `badInput` for a radius in mm that is too many voxels of this grid.
  func combine(_ found: [LabelMap], spacing: Vector3D) throws -> LabelMap {
    var result: LabelMap?
    for (index, part) in parts.enumerated() {
      let isLast = hasSubsegmentation && index == parts.count - 1
      var labels = found[index]
      labels.renumber(part.numbers)
      if isLast { try apply(postprocessing, to: &result, spacing) }
      if result == nil {
        result = labels
      } else {
        result?.overlay(labels, where: part.mayCover)
      }
      if isLast { try apply(lastSteps, to: &result, spacing) }
    }
    if !hasSubsegmentation { try apply(postprocessing, to: &result, spacing) }
    guard let result else { throw Failure(.internalError, "a mode without models was run") }
    return result
  }

  private func apply(_ steps: [ResolvedOperation], to map: inout LabelMap?, _ spacing: Vector3D) throws {
    guard var labels = map, !steps.isEmpty else { return }
    map = nil
    for step in steps { try step.apply(to: &labels, spacing: spacing) }
    map = labels
  }
}
