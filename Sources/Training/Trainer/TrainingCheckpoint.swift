import Basics
import Checkpoints
import Engines
import Networks

/// The state of a training: what nnU-Net keeps, and what is needed to go on as if nothing had happened.
public struct TrainingCheckpoint: Sendable {
  /// Where a training stands, beyond what nnU-Net writes down.
  public struct Position: Sendable, Equatable {
    /// Names all random numbers.
    public var seed: UInt64
    /// Batches training and validation have had.
    public var trainingBatches = 0
    public var validationBatches = 0
    /// Training batches of the epoch that was begun, and the sum of their losses.
    public var iteration = 0
    public var lossSum = 0.0

    public init(seed: UInt64) { self.seed = seed }
  }

  /// By canonical name.
  public var parameters: [String: Tensor]
  /// What the optimiser remembers.
  public var optimizer: OptimizerState
  /// That of dynamic loss scaling; nil where the loss was not scaled.
  public var lossScale: LossScale?
  public var history: TrainingHistory
  /// The largest moving average of the Dice so far.
  public var bestDice: Double?
  /// Finished epochs.
  public var epoch: Int
  /// Nil in checkpoints of other programs.
  public var position: Position?
  public var trainerName: String
  /// Axes of the patch that inference may mirror; nil for none.
  public var mirrorAxes: [Int]?

  /// What does not change during a training.
  public struct Origin: Sendable {
    public var plans: JSON
    public var dataset: JSON
    public var configuration: String
    public var fold: String
    /// Its rate is that of the first epoch.
    public var rule: GradientDescent
    public var normFollowsActivation: Bool
    /// More entries of `init_args`, which nnU-Net passes over.
    public var arguments: JSONObject = [:]
  }

  /// Writes it as nnU-Net does. Throws `cannotWrite`; the previous file then stays.
  public func write(to path: String, graph: Graph, origin: Origin, rate: Double) throws {
    let names = try ParameterAliases.stateDictionary(
      parameters, of: graph, normFollowsActivation: origin.normFollowsActivation)
    let fold = Int(origin.fold).map { PickleValue.int($0) } ?? .string(origin.fold)
    let arguments: [(String, PickleValue)] = [
      ("plans", PickleValue(origin.plans)), ("configuration", .string(origin.configuration)), ("fold", fold),
      ("dataset_json", PickleValue(origin.dataset)), ("device", .string("cpu")),
    ]
    var entries: [(String, PickleValue)] = [
      ("network_weights", .dictionary(PickleDictionary(names.map { ($0.name, .tensor($0.tensor)) }))),
      ("optimizer_state", try optimizer.pickled(of: graph, rule: origin.rule, rate: rate)),
      ("grad_scaler_state", lossScale?.pickled ?? .none),
      ("logging", history.pickled),
      ("_best_ema", bestDice.map(PickleValue.float) ?? .none),
      ("current_epoch", .int(epoch)),
      (
        "init_args",
        .dictionary(
          PickleDictionary(arguments + origin.arguments.members.map { ($0.key, PickleValue($0.value)) }))
      ),
      ("trainer_name", .string(trainerName)),
      ("inference_allowed_mirroring_axes", mirrorAxes.map { .tuple($0.map(PickleValue.int)) } ?? .none),
    ]
    if let position { entries.append(("microtome_position", Self.pickled(position))) }
    try TorchFileWriter.write(.dictionary(PickleDictionary(entries)), to: path)
  }

  private static func pickled(_ position: Position) -> PickleValue {
    .dictionary(
      PickleDictionary([
        ("seed", .int(Int(bitPattern: UInt(position.seed)))), ("training_batches", .int(position.trainingBatches)),
        ("validation_batches", .int(position.validationBatches)), ("iteration", .int(position.iteration)),
        ("loss_sum", .float(position.lossSum)),
      ]))
  }
}

extension TrainingCheckpoint {
  /// The momentum buffers, by canonical name.
  public var momenta: [String: Tensor] { optimizer.momenta }

  /// Reads a checkpoint of this program or of nnU-Net for a network.
  ///
  /// Throws `missingInput`; `badInput` when the file is damaged or belongs to another network.
  public static func read(_ path: String, graph: Graph) throws -> TrainingCheckpoint {
    let file = try TorchCheckpoint.open(path)
    return try locating(path) {
      let network = try Network(graph: graph, weights: file.networkWeights.tensors)
      let epoch = try file.root["current_epoch"].map { try Self.count($0, called: "current_epoch") } ?? 0
      let best = file.root["_best_ema"]?.number
      return TrainingCheckpoint(
        parameters: network.weights,
        optimizer: try OptimizerState(pickled: file.root["optimizer_state"], graph: graph),
        lossScale: LossScale(pickled: file.root["grad_scaler_state"]),
        history: TrainingHistory(pickled: file.root["logging"], epochs: epoch),
        bestDice: best.flatMap { $0.isNaN ? nil : $0 }, epoch: epoch, position: try position(file.root),
        trainerName: file.trainerName ?? "", mirrorAxes: file.mirroringAxes)
    }
  }

  /// Whether a file is a checkpoint that can be read, of whatever network.
  static func isReadable(_ path: String) -> Bool {
    (try? TorchCheckpoint.open(path).networkWeights.tensors) != nil
  }

  /// More than any training does, and few enough to count on from.
  private static let largestCount = 1 << 40

  /// How often something has happened: an integer, also one that is written as another number. Throws `badInput` for
  /// what cannot be meant.
  static func count(_ value: PickleValue, called name: String) throws -> Int {
    guard let count = value.number.flatMap({ Int(exactly: $0) }), (0...largestCount).contains(count) else {
      throw Failure(
        .badInput, "\(name) is not an integer from 0 to \(largestCount)", hint: "continue with another checkpoint")
    }
    return count
  }

  private static func position(_ root: PickleValue) throws -> Position? {
    guard let entry = root["microtome_position"], let seed = entry["seed"]?.int else { return nil }
    func count(_ key: String) throws -> Int { try entry[key].map { try Self.count($0, called: key) } ?? 0 }
    var position = Position(seed: UInt64(UInt(bitPattern: seed)))
    position.trainingBatches = try count("training_batches")
    position.validationBatches = try count("validation_batches")
    position.iteration = try count("iteration")
    position.lossSum = entry["loss_sum"]?.double ?? 0
    return position
  }

  /// The parameters of a fresh network with those of another training, but for the output layers.
  ///
  /// Throws `badInput` when a parameter is missing there or has another shape.
  public static func pretrained(
    _ path: String, graph: Graph, fresh: [String: Tensor]
  ) throws -> [String: Tensor] {
    let given = try ParameterNames.canonical(TorchCheckpoint.open(path).networkWeights.tensors)
    var result = fresh
    for parameter in graph.parameters where !parameter.name.contains(".seg_layers.") {
      guard let tensor = given[parameter.name], tensor.shape == parameter.shape else {
        let found = given[parameter.name].map { "is \($0.shape)" } ?? "is missing"
        throw Failure(
          .badInput, "\(parameter.name) \(found) in the pretrained weights; the plans ask for \(parameter.shape)",
          file: path, hint: "pretraining must use the same plans; see nnUNetv2_move_plans_between_datasets")
      }
      result[parameter.name] = tensor
    }
    return result
  }
}
