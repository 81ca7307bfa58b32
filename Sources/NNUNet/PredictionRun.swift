import Basics
import Dispatch
import Engines
import ImageFormats
import Imaging
import Inference
import Synchronization

/// Segments the cases of a folder: reads ahead, predicts, writes behind, and carries on past a bad case.
///
/// Three threads hand cases on through queues that hold one case each, so memory does not grow with their number.
public final class PredictionRun: Sendable {
  private let model: TrainedModel
  private let engine: any Engine
  private let options: PredictionOptions
  private let outputFolder: String
  /// Receives events from several threads, one at a time.
  private let report: @Sendable (PredictionEvent) -> Void
  private let reporting = DispatchSemaphore(value: 1)

  public init(
    model: TrainedModel, engine: any Engine, outputFolder: String, options: PredictionOptions,
    report: @escaping @Sendable (PredictionEvent) -> Void
  ) {
    self.model = model
    self.engine = engine
    self.options = options
    self.outputFolder = outputFolder
    self.report = report
  }

  /// How many cases ended in which way.
  public struct Summary: Sendable, Equatable {
    public var finished = 0
    public var skipped = 0
    public var failures: [CaseFailure] = []

    public init() {}
  }

  /// A case that was not segmented, and why.
  public struct CaseFailure: Sendable, Equatable {
    public var identifier: String
    public var failure: Failure

    public init(identifier: String, failure: Failure) {
      self.identifier = identifier
      self.failure = failure
    }
  }

  private struct Ahead: Sendable {
    let files: CaseFiles
    let prepared: Result<PreparedCase, Failure>
    let timing: CaseTiming
  }

  private struct Behind: Sendable {
    let identifier: String
    let record: PreparationRecord
    let labels: LabelMap
    let probabilities: ProbabilitySpool?
    let timing: CaseTiming
  }

  /// Segments `cases`. A case that fails is reported and counted; the others are still done.
  ///
  /// Throws `engine` when the networks cannot be compiled, `interrupted` when the user asked to stop, and `cannotWrite`
  /// when the output folder is unusable.
  public func run(_ cases: [CaseFiles]) throws -> Summary {
    var summary = Summary()
    let wanted = cases.filter { files in
      guard options.continues, isDone(files.identifier) else { return true }
      emit(.skipped(identifier: files.identifier))
      summary.skipped += 1
      return false
    }
    guard !wanted.isEmpty else { return summary }

    let ahead = BoundedQueue<Ahead>(capacity: 1)
    let behind = BoundedQueue<Behind>(capacity: 1)
    let stop = Atomic(false)
    let failures = Mutex<[CaseFailure]>([])
    let threads = DispatchGroup()
    DispatchQueue(label: "microtome.read").async(group: threads) { self.readAhead(wanted, into: ahead, stop: stop) }
    DispatchQueue(label: "microtome.write").async(group: threads) {
      self.writeBehind(behind) { failure in failures.withLock { $0.append(failure) } }
    }
    let outcome = Result { try predictAll(wanted.count, from: ahead, into: behind) }
    // However the run ended, both threads are told and waited for, so that no output is left half-written.
    stop.store(true, ordering: .relaxed)
    behind.finish()
    while ahead.pop() != nil {}
    threads.wait()
    summary.failures = try outcome.get() + failures.withLock { $0 }
    summary.finished = wanted.count - summary.failures.count
    return summary
  }

  private func emit(_ event: PredictionEvent) {
    reporting.wait()
    report(event)
    reporting.signal()
  }
}

// MARK: - The three threads

extension PredictionRun {
  /// Reads and prepares cases, one ahead of the network.
  private func readAhead(_ cases: [CaseFiles], into queue: BoundedQueue<Ahead>, stop: borrowing Atomic<Bool>) {
    let preparation = CasePreparation(model: model)
    for files in cases {
      queue.reserve()
      guard !stop.load(ordering: .relaxed) else { break }
      var timing = CaseTiming()
      let prepared = Result { try read(files, preparation, &timing) }
        .mapError { $0 as? Failure ?? Failure(.internalError, "\($0)") }
        .mapError { $0.located(in: files.images.first ?? files.identifier) }
      queue.push(Ahead(files: files, prepared: prepared, timing: timing))
    }
    queue.finish()
  }

  private func read(
    _ files: CaseFiles, _ preparation: CasePreparation, _ timing: inout CaseTiming
  ) throws -> PreparedCase {
    var clock = Stopwatch()
    let image = try model.plans.reader.read(files.images)
    let previous = try previousStage(of: files, shape: image.voxels.shape)
    timing.read = clock.lap()
    let prepared = try preparation.prepare(image, identifier: files.identifier, previousStage: previous)
    timing.prepare = clock.lap()
    return prepared
  }

  /// The segmentation by the previous stage of a cascade, or nil when the model is no such stage.
  private func previousStage(of files: CaseFiles, shape: Shape3D) throws -> Volume<Float>? {
    guard model.configuration.previousStage != nil, let folder = options.previousStageFolder else { return nil }
    return try model.previousSegmentation(of: files, in: folder, shape: shape)
  }

  /// Runs the networks on everything that was read; returns the cases that failed.
  private func predictAll(
    _ count: Int, from queue: BoundedQueue<Ahead>, into behind: BoundedQueue<Behind>
  ) throws -> [CaseFailure] {
    // The first case is being read while the networks are compiled. A small one is there at once, and then says how
    // many passes lie ahead.
    var early = queue.pop(within: Self.patience)
    let passes = (try? early?.prepared.get()).map { model.passesPerFold(for: $0.record, options) * count }
    let predictor = try Predictor(model: model, engine: engine, options: options, expectedPasses: passes)
    emit(.ready(engine: predictor.engineName, precision: predictor.precision, notes: predictor.notes))
    var failures: [CaseFailure] = []
    while let next = early ?? queue.pop() {
      early = nil
      do {
        try predict(next, with: predictor, into: behind)
      } catch let failure as Failure {
        if failure.kind == .interrupted || failure.kind == .engine { throw failure }
        let failure = failure.located(in: next.files.images.first ?? next.files.identifier)
        failures.append(CaseFailure(identifier: next.files.identifier, failure: failure))
        emit(.failed(identifier: next.files.identifier, failure: failure))
      }
    }
    return failures
  }

  /// Seconds to wait for the first case before the networks are compiled: little beside what compiling takes.
  private static let patience = 0.02

  /// The forward passes of a case, over all folds.
  private func passes(for record: PreparationRecord) -> Int {
    model.passesPerFold(for: record, options) * model.networkCount
  }

  private func predict(_ next: Ahead, with predictor: Predictor, into behind: BoundedQueue<Behind>) throws {
    try Interruption.check()
    let identifier = next.files.identifier
    let prepared = try next.prepared.get()
    for warning in prepared.warnings { emit(.warning("\(identifier): \(warning)")) }
    let record = prepared.record
    emit(.began(identifier: identifier, passes: passes(for: record)))
    var timing = next.timing
    var clock = Stopwatch()
    let (labels, probabilities) = try predictor.predict(
      prepared, spoolFolder: options.saveProbabilities ? outputFolder : nil
    ) { done, total in
      try Interruption.check()
      emit(.advanced(identifier: identifier, done: done, passes: total))
    }
    timing.predict = clock.lap()
    behind.reserve()
    behind.push(
      Behind(identifier: identifier, record: record, labels: labels, probabilities: probabilities, timing: timing))
  }

  /// Writes results while the next case is predicted.
  private func writeBehind(_ queue: BoundedQueue<Behind>, failed: (CaseFailure) -> Void) {
    while let result = queue.pop() {
      do {
        var clock = Stopwatch()
        let output = try write(result)
        var timing = result.timing
        timing.write = clock.lap()
        emit(.finished(identifier: result.identifier, output: output, timing: timing))
      } catch {
        let failure = error as? Failure ?? Failure(.internalError, "\(error)")
        failed(CaseFailure(identifier: result.identifier, failure: failure))
        emit(.failed(identifier: result.identifier, failure: failure))
      }
    }
  }

  private func write(_ result: Behind) throws -> String {
    let stem = Path.join(outputFolder, result.identifier)
    let path = stem + model.dataset.fileEnding
    let labels = model.postprocessed(result.labels, record: result.record)
    do {
      // The label file goes last: its presence is what says that a case is done.
      if let probabilities = result.probabilities {
        try ProbabilityFiles.write(probabilities, record: result.record, stem: stem)
      }
      try model.plans.reader.write(labels, as: path, like: result.record.geometry)
    } catch {
      if result.probabilities != nil { ProbabilityFiles.remove(stem: stem) }
      throw error
    }
    return path
  }

  private func isDone(_ identifier: String) -> Bool {
    let stem = Path.join(outputFolder, identifier)
    return Path.exists(stem + model.dataset.fileEnding)
      && (!options.saveProbabilities || Path.exists(stem + ".npz"))
  }
}
