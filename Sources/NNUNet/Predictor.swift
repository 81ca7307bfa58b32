import Basics
import Engines
import Imaging
import Inference
import Networks

/// A trained model bound to an engine, ready to segment cases.
public final class Predictor: Sendable {
  public let model: TrainedModel
  private let options: PredictionOptions
  private let networks: [any CompiledNetwork]
  /// The networks' last layers, when these are run apart from them.
  private let heads: [PointwiseHead]
  private let importance: ImportanceMap
  /// What runs, for the log.
  public var engineName: String { networks.first?.engineName ?? "" }
  public var precision: Precision { networks.first?.precision ?? .fp32 }

  /// Compiles the model's networks for its patch.
  ///
  /// - Parameter expectedPasses: how many forward passes each network is likely to make, if known: a few are scheduled
  ///   differently from many.
  /// - Throws: `engine` when the engine refuses a network.
  public init(
    model: TrainedModel, engine: any Engine, options: PredictionOptions, expectedPasses: Int? = nil
  ) throws {
    self.model = model
    self.options = options
    importance = model.importance(step: options.step)
    let shape = [1, model.inputChannelCount] + model.configuration.patchSize
    var compile = options.compile
    compile.expectedPasses = expectedPasses
    if let file = model.file {
      guard let engine = engine as? any ModelFileEngine else {
        throw Failure(
          .engine, "\(engine.name) cannot run networks from files", file: file.path,
          hint: "choose openvino or onnxruntime")
      }
      heads = []
      let output = [1, model.dataset.labels.outputCount] + model.configuration.patchSize
      networks = [try engine.compile(file, inputShape: shape, outputShape: output, options: compile)]
      return
    }
    // Probabilities are made of all logits of a voxel, so these must be there.
    let parts = model.networks.map { model.isLegacy ? nil : $0.splitHead() }
    heads = parts.compactMap { $0?.head }
    // Reversals are added up with their channels first.
    let isMirrored = !model.mirrorAxes(options).isEmpty
    networks = try zip(model.networks, parts).map { whole, parts in
      var compile = compile
      compile.takesChannelsLast = parts.map { $0.head.takesChannelsLast && !isMirrored } ?? false
      return try engine.compile(parts?.trunk ?? whole, inputShape: shape, options: compile)
    }
  }

  /// How the engine comments on what runs.
  public var notes: [String] { networks.first?.notes ?? [] }

  /// Segments one prepared case.
  ///
  /// - Parameters:
  ///   - spoolFolder: where probabilities are kept until they are written; nil for labels only.
  ///   - classwise: resample each class by itself, linearly; see `TrainedModel.destination`.
  ///   - progress: called after every forward pass with the number done and the total; throws to stop.
  /// - Returns: labels on the image's own grid, and the probabilities if asked for.
  public func predict(
    _ prepared: consuming PreparedCase, spoolFolder: String?, classwise: Bool = false,
    progress: (Int, Int) throws -> Void
  ) throws -> (labels: LabelMap, probabilities: ProbabilitySpool?) {
    let result = try predict(
      prepared, spoolFolder: spoolFolder, classwise: classwise, nextStages: [], progress: progress)
    return (result.labels, result.probabilities)
  }

  /// What became of a case.
  public struct Prediction: Sendable {
    /// On the image's own grid.
    public let labels: LabelMap
    public let probabilities: ProbabilitySpool?
    /// On the grids of a cascade's next stages, in the order asked for.
    public let nextStages: [LabelMap]
  }

  /// Segments one prepared case, also on the grids of a cascade's next stages.
  ///
  /// - Parameter nextStages: the shapes of these grids. The other parameters are those above.
  public func predict(
    _ prepared: consuming PreparedCase, spoolFolder: String?, classwise: Bool = false, nextStages: [Shape3D],
    progress: (Int, Int) throws -> Void
  ) throws -> Prediction {
    let destination = try model.destination(for: prepared.record, spoolFolder: spoolFolder, classwise: classwise)
    let others = try nextStages.map { try model.destination(for: prepared.record, nextStage: $0) }
    let window = SlidingWindow(
      grid: model.grid(for: prepared.record, options), importance: importance,
      mirrorAxes: model.mirrorAxes(options), activation: model.activation)
    let sink = SinkGroup([destination.sink] + others.map(\.sink))
    try window.run(prepared.voxels, networks: networks, heads: heads, into: sink, progress: progress)
    return Prediction(
      labels: destination.canvas.labels(), probabilities: destination.probabilities,
      nextStages: others.map { $0.canvas.labels() })
  }
}

extension TrainedModel {
  /// The weights of a patch's voxels.
  ///
  /// v1 blends in single precision. Where a volume is covered by the corner of one patch only, a probability times v2's
  /// smallest weight would be nothing in half precision. So weights are as large as their sums may be: patches are at
  /// least half a step apart, and sigma is an eighth of a patch.
  func importance(step: Double) -> ImportanceMap {
    let patch = configuration.patchSize
    guard usesGaussian else { return ImportanceMap(uniform: patch) }
    guard isLegacy else { return ImportanceMap(gaussian: patch) }
    let overlap = 1 + (2 * Double.pi).squareRoot() / (4 * step)
    let height = 60_000 / patch.reduce(1) { product, _ in product * overlap }
    return ImportanceMap(gaussian: patch, height: height, floor: .leastNormalMagnitude)
  }

  /// What is averaged: logits, or probabilities in models of v1.
  var activation: Activation {
    guard isLegacy else { return .none }
    return dataset.labels.hasRegions ? .sigmoid : .softmax
  }

  /// The axes to mirror over in a run.
  func mirrorAxes(_ options: PredictionOptions) -> [Int] { options.mirroring ? mirrorAxes : [] }

  /// The tiles of a prepared case.
  func grid(for record: PreparationRecord, _ options: PredictionOptions) -> TileGrid {
    TileGrid(image: record.networkShape, patch: configuration.patchSize, step: options.step)
  }

  /// The forward passes of a prepared case with one fold.
  public func passesPerFold(for record: PreparationRecord, _ options: PredictionOptions) -> Int {
    grid(for: record, options).count << mirrorAxes(options).count
  }
}

/// Several sinks for the same logits.
private final class SinkGroup: LogitsSink {
  private let sinks: [any LogitsSink]

  init(_ sinks: [any LogitsSink]) { self.sinks = sinks }

  func consume(upTo end: Int, of band: LogitsBand) throws {
    for sink in sinks { try sink.consume(upTo: end, of: band) }
  }
}
