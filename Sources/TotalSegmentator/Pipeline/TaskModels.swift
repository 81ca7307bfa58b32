import Basics
import Engines
import ImageFormats
import Imaging
import NNUNet

/// The networks of tasks, bound to an engine. Each is loaded when it is first needed.
final class TaskModels {
  /// A network and what runs it.
  struct Loaded {
    let model: TrainedModel
    let predictor: Predictor
    let preparation: CasePreparation
  }

  private let weights: WeightStore
  private let engine: any Engine
  private let compile: CompileOptions
  private let usesSmallModel: Bool
  /// Whether networks stay loaded for the next case.
  private let keeps: Bool
  private var loaded: [Key: Loaded] = [:]
  private let ready: (Predictor) -> Void

  private struct Key: Hashable {
    let folder: String
    let step: Double
  }

  /// - Parameter ready: called when a network has been compiled.
  init(
    weights: WeightStore, engine: any Engine, compile: CompileOptions, usesSmallModel: Bool, keeps: Bool,
    ready: @escaping (Predictor) -> Void
  ) {
    self.weights = weights
    self.engine = engine
    self.compile = compile
    self.usesSmallModel = usesSmallModel
    self.keeps = keeps
    self.ready = ready
  }

  /// The network of `part`, to be run with the given tile step.
  ///
  /// Throws `missingInput` when its weights are not there, and what loading and compiling throw.
  func load(_ part: TaskPart, step: Double) throws -> Loaded {
    let folder = try weights.modelFolder(for: part, smallModel: usesSmallModel && part.smallPlans != nil)
    let key = Key(folder: folder, step: step)
    if let found = loaded[key] { return found }
    let checkpoint = "checkpoint_final.pth"
    let folds = try weights.folds(of: part, in: folder).map(String.init)
    let model = try TrainedModel.load(folder: folder, folds: folds, checkpoint: checkpoint)
    if model.dataset.channelCount != 1 {
      throw Failure(
        .badInput, "the model takes \(model.dataset.channelCount) channels; tasks have images of one", file: folder)
    }
    var options = PredictionOptions()
    options.step = step
    options.mirroring = false
    options.compile = compile
    let predictor = try Predictor(model: model, engine: engine, options: options)
    let result = Loaded(model: model, predictor: predictor, preparation: CasePreparation(model: model))
    if keeps { loaded[key] = result }
    ready(predictor)
    return result
  }
}
