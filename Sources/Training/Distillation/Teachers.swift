import Basics
import Checkpoints
import Engines
import ImageFormats
import Imaging
import NNUNet
import Networks

/// The trained models a student learns from, all of them on the grid and with the labels of the student.
public struct Teachers: Sendable {
  public let models: [TrainedModel]
  public let checkpoint: String
  /// Of all weights, in their order: tells one set of teachers from another, wherever it lies.
  public let fingerprint: String

  /// Opens the model folders and compares them with each other and with the student's task.
  ///
  /// - Parameters:
  ///   - folders: models of nnU-Net or of this program.
  ///   - folds: of each folder; empty for all numbered ones that have the checkpoint.
  /// - Throws: `missingInput` for folders, folds and checkpoints that are not there; `badInput` for folds that were trained
  ///   with different plans and for models that see or call things otherwise than the student.
  public static func load(
    folders: [String], folds: [String], checkpoint: String, for task: TrainingTask
  ) throws -> Teachers {
    var fingerprint = Fingerprint()
    let models = try folders.map { folder in
      let folds = try folds.isEmpty ? allFolds(folder, checkpoint) : folds
      let model = try TrainedModel.load(folder: folder, folds: folds, checkpoint: checkpoint)
      try locating(folder) {
        guard !model.isLegacy else {
          throw Failure(.badInput, "is a model of nnU-Net v1, which prepares images otherwise and cannot teach")
        }
        try compareFolds(model, checkpoint)
        try compare(model, with: task)
      }
      for fold in model.folds {
        let file = try MappedFile(path: Path.join(Path.join(folder, "fold_\(fold)"), checkpoint))
        fingerprint.add(file.bytes)
      }
      return model
    }
    return Teachers(models: models, checkpoint: checkpoint, fingerprint: fingerprint.hexadecimal)
  }

  /// All networks.
  public var networks: [Network] { models.flatMap(\.networks) }

  /// One model in which all networks answer together.
  var joined: TrainedModel? { models.first.map { $0.joined(with: Array(models.dropFirst())) } }

  private static func allFolds(_ folder: String, _ checkpoint: String) throws -> [String] {
    guard Path.isFolder(folder) else {
      throw Failure(
        .missingInput, "there is no such teacher", file: folder, hint: "-t names a model folder: one with plans.json")
    }
    let available = TrainedModel.availableFolds(folder: folder, checkpoint: checkpoint)
    let numbered = available.compactMap(Int.init).sorted().map(String.init)
    guard !numbered.isEmpty else {
      throw Failure(
        .missingInput, "no numbered fold of the teacher has a \(checkpoint)", file: folder,
        hint: available.isEmpty ? "-tcp names another checkpoint" : "-tf all takes fold_all")
    }
    return numbered
  }

  /// Every checkpoint must have been trained with the plans that lie beside it.
  private static func compareFolds(_ model: TrainedModel, _ checkpoint: String) throws {
    for fold in model.folds {
      let path = Path.join(Path.join(model.path, "fold_\(fold)"), checkpoint)
      try locating(path) {
        let file = try TorchCheckpoint.open(path)
        let name = file.configuration ?? model.configuration.name
        guard name == model.configuration.name else {
          throw Failure(
            .badInput,
            "fold \(fold) was trained in the configuration \(name), fold \(model.folds[0]) in "
              + model.configuration.name)
        }
        guard let json = file.plans, let own = try? Plans(json: json).configuration(name).json else { return }
        let keys = ["patch_size", "spacing", "normalization_schemes", "use_mask_for_norm", "architecture"]
        for key in keys where (own[key] ?? .null) != (model.configuration.json[key] ?? .null) {
          throw Failure(
            .badInput,
            "fold \(fold) was trained with other plans than those of its folder: \"\(key)\" is "
              + "\((own[key] ?? .null).text()) in the checkpoint and "
              + "\((model.configuration.json[key] ?? .null).text()) in plans.json",
            hint: "teach with folds of one training only (-tf)")
        }
      }
    }
  }

  /// What must be the same for an answer about the student's patch to mean the same.
  private static func compare(_ model: TrainedModel, with task: TrainingTask) throws {
    func differ(_ what: String, _ teacher: String, _ student: String) -> Failure {
      Failure(
        .badInput, "the teacher's \(what) \(teacher), the student's \(student)",
        hint: "teacher and student must be of the same dataset and see it in the same way")
    }
    func text(_ scheme: LabelScheme) -> String {
      "are " + scheme.foreground.map { "\($0.name) \($0.labels)" }.joined(separator: ", ")
    }
    let (mine, other) = (task.dataset, model.dataset)
    guard other.labels == mine.labels else { throw differ("labels", text(other.labels), text(mine.labels)) }
    func channels(_ dataset: DatasetDescription) -> [String] {
      (dataset.json["channel_names"] ?? dataset.json["modality"])?.object?.members.compactMap(\.value.string) ?? []
    }
    guard other.channelCount == mine.channelCount, channels(other) == channels(mine) else {
      throw differ(
        "channels", "are \(channels(other).joined(separator: ", "))", "\(channels(mine).joined(separator: ", "))")
    }
    let (own, its) = (task.configuration, model.configuration)
    guard its.isPlanar == own.isPlanar else {
      throw differ("configuration", "\(its.name) has \(its.patchSize.count) axes", "\(own.patchSize.count)")
    }
    guard model.plans.transposeForward == task.plans.transposeForward else {
      throw differ("axes", "are \(model.plans.transposeForward)", "\(task.plans.transposeForward)")
    }
    guard zip(its.spacing, own.spacing).allSatisfy({ abs($0 - $1) <= 1e-6 * max($0, $1) }) else {
      throw differ("spacing", "is \(its.spacing) mm", "\(own.spacing) mm")
    }
    guard its.normalizations == own.normalizations else {
      throw differ("images are normalised", "as \(its.normalizations)", "\(own.normalizations)")
    }
    guard model.inputChannelCount == task.network.inputChannels else {
      throw differ(
        "network", "takes \(model.inputChannelCount) channel(s)",
        "\(task.network.inputChannels): one of them is the second stage of a cascade")
    }
    for network in model.networks {
      _ = try network.graph.shapes(forInput: [1, model.inputChannelCount] + own.patchSize)
    }
  }
}
