import Basics
import NNUNet
import Networks

/// What a distillation was begun with, as `distillation.json` in its fold's folder: so that no run is continued or
/// overwritten by another one.
struct DistillationRecord {
  static let fileName = "distillation.json"
  /// What may change when a run is continued.
  private static let length: Set = ["num_epochs", "num_iterations_per_epoch", "num_val_iterations_per_epoch"]
  /// What tells nothing about the result.
  private static let places: Set = ["teacher_model_folders"]

  let json: JSONObject

  init(_ options: DistillationOptions, training run: TrainingRun, teachers: Teachers?) {
    func list(_ values: [Int]) -> JSON { .array(values.map(JSON.int)) }
    let (training, task) = (options.training, run.task)
    var json: JSONObject = [
      "trainer": .string(training.trainer), "plans": .string(training.plans),
      "configuration": .string(training.configuration),
      "network": .string(task.network.family.rawValue),
      "features_per_stage": list(task.network.features), "blocks_per_stage": list(task.network.blocksPerStage),
      "alpha": .double(options.alpha),
      "batch_pool": training.batchPool.map(JSON.int) ?? .null,
      "rotate_folds_frequency": training.foldRotation.map(JSON.int) ?? .null,
      "num_epochs": .int(training.epochs ?? task.variant.epochs),
      "num_iterations_per_epoch": .int(training.iterationsPerEpoch),
      "num_val_iterations_per_epoch": .int(training.validationIterations),
    ]
    if let stage = run.firstStage { json["previous_stage_model"] = .string(stage.description) }
    if let beginning = options.beginning, beginning != .random { json["init"] = .string(beginning.rawValue) }
    if let teachers, options.needsTeachers {
      json["temperature"] = .double(options.temperature)
      json["mean_over"] = .string(options.mean.rawValue)
      json["all_levels"] = .bool(options.guidesAllLevels)
      json["teacher_model_folders"] = .array(teachers.models.map { .string($0.path) })
      json["teacher_folds"] = .array(teachers.models.map { .array($0.folds.map(JSON.string)) })
      json["teacher_checkpoint"] = .string(teachers.checkpoint)
      json["teacher_fingerprint"] = .string(teachers.fingerprint)
    }
    self.json = json
  }

  /// The channels of each stage of the student in a fold's folder; nil where there is none.
  static func features(in folder: String) -> [Int]? {
    (try? JSON.read(Path.join(folder, fileName)))?["features_per_stage"]?.ints
  }

  /// What the run in a fold's folder began with; nil where there is none.
  static func beginning(in folder: String) -> DistillationOptions.Beginning? {
    guard let json = try? JSON.read(Path.join(folder, fileName)) else { return nil }
    return json["init"]?.string.flatMap(DistillationOptions.Beginning.init) ?? .random
  }

  func write(to folder: String) throws {
    try AtomicFile.write(
      Array(JSON.object(json).text(indent: 4).utf8), to: Path.join(folder, Self.fileName))
  }

  /// Throws `usage` when a fold's folder, or another fold of the same model, holds a run with other parameters.
  func check(modelFolder: String, foldFolder: String, continues: Bool) throws {
    let hint = "--suffix NAME keeps this run beside that one; otherwise remove the folder first"
    for name in ((try? Path.list(modelFolder)) ?? []).filter({ $0.hasPrefix("fold_") }) {
      let folder = Path.join(modelFolder, name)
      let path = Path.join(folder, Self.fileName)
      let isOwn = Path.isSame(folder, foldFolder)
      guard Path.isFile(path) else {
        guard ((try? Path.list(folder)) ?? []).contains(where: { $0.hasSuffix(".pth") }) else { continue }
        throw Failure(
          .usage, "holds a training that was not made by this command (there is no \(Self.fileName))", file: folder,
          hint: hint)
      }
      let other = try JSON.read(path)
      // Folds of one model share plans.json, so what stands there must agree; the rest is each fold's own matter.
      let keys =
        isOwn
        ? Array(Set(json.keys + (other.object?.keys ?? [])).subtracting(Self.places)).sorted()
        : ["blocks_per_stage", "features_per_stage", "network", "previous_stage_model"]
      let differences = keys.filter { key in
        !(continues && Self.length.contains(key)) && (json[key] ?? .null) != (other[key] ?? .null)
      }
      guard differences.isEmpty else {
        let list = differences.map { "\($0) \((other[$0] ?? .null).text()), not \((json[$0] ?? .null).text())" }
        throw Failure(
          .usage, "holds a run with other parameters: \(list.joined(separator: "; "))", file: folder, hint: hint)
      }
    }
  }
}

extension DistillationOptions {
  /// What a checkpoint says of its student, under FastnnUNet's names. A reduction, or a block strategy, is given only
  /// where it describes the student.
  func checkpointArguments(teachers: Teachers?) -> JSONObject {
    var arguments: JSONObject = ["alpha": .double(alpha), "temperature": .double(temperature)]
    if design.widths == nil { arguments["feature_reduction_factor"] = .int(design.reduction) }
    if design.blocks == nil { arguments["block_reduction_strategy"] = .string(design.strategy.rawValue) }
    arguments["rotate_training_folds"] = .bool(training.foldRotation != nil)
    arguments["rotate_folds_frequency"] = training.foldRotation.map(JSON.int) ?? .null
    guard let teachers, needsTeachers else { return arguments }
    // FastnnUNet has one teacher folder.
    let paths = teachers.models.map { JSON.string($0.path) }
    arguments["teacher_model_folder"] = paths.count == 1 ? paths[0] : .array(paths)
    arguments["teacher_fold"] = .array(teachers.models.flatMap(\.folds).map { Int($0).map(JSON.int) ?? .string($0) })
    arguments["teacher_checkpoint_name"] = .string(teachers.checkpoint)
    return arguments
  }
}
