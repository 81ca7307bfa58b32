import Basics
import Dispatch
import Engines
import ImageFormats
import Imaging
import Inference

/// A trained model bound to an engine, ready to segment cases.
public final class Predictor: Sendable {
  public let model: TrainedModel
  private let options: PredictionOptions
  private let networks: [any CompiledNetwork]
  /// What runs, for the log.
  public let engineName: String
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
    engineName = "\(engine.name) \(engine.version)"
    let shape = [1, model.inputChannelCount] + model.configuration.patchSize
    var compile = options.compile
    compile.expectedPasses = expectedPasses
    networks = try model.networks.map { try engine.compile($0, inputShape: shape, options: compile) }
  }

  /// How the engine comments on what runs.
  public var notes: [String] { networks.first?.notes ?? [] }

  /// The sliding window over an image on the network's grid.
  public static func window(
    for model: TrainedModel, shape: Shape3D, options: PredictionOptions
  ) -> SlidingWindow {
    SlidingWindow(
      image: shape, patch: model.configuration.patchSize, step: options.step,
      mirrorAxes: options.mirroring ? model.mirrorAxes : [])
  }

  /// Segments one prepared case.
  ///
  /// - Parameters:
  ///   - spoolFolder: where probabilities are kept until they are written; nil for labels only.
  ///   - progress: called after every forward pass with the number done and the total; throws to stop.
  /// - Returns: labels on the image's own grid, and the probabilities if asked for.
  public func predict(
    _ prepared: consuming PreparedCase, spoolFolder: String?, progress: (Int, Int) throws -> Void
  ) throws -> (labels: LabelMap, probabilities: ProbabilitySpool?) {
    let destination = try model.destination(for: prepared.record, spoolFolder: spoolFolder)
    let window = Self.window(for: model, shape: prepared.record.networkShape, options: options)
    try window.run(prepared.voxels, networks: networks, into: destination.sink, progress: progress)
    return (destination.canvas.labels(), destination.probabilities)
  }
}
