import ArgumentParser
import Basics
import NNUNet

/// `microtome predict`
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Segments images with a trained nnU-Net v2 model.",
    discussion: """
      The model is named by its folder (-m) or, with the environment variable nnUNet_results set, by dataset and \
      configuration (-d, -c). Options are those of nnUNetv2_predict.
      """)

  @Option(
    name: [.customShort("m"), .customLong("model_path")],
    help: "The model folder: the one with plans.json, dataset.json and fold_0; or an ONNX file, or OpenVINO's .xml.")
  var model: String?

  @Option(
    name: .customLong("model-config"),
    help: "The JSON or INI file that describes such a file. (default: what is inside it, or MODEL.json beside it)")
  var modelDescription: String?

  @Option(name: .customShort("d"), help: "The dataset's name or number.")
  var dataset: String?

  @Option(name: .customShort("c"), help: "The configuration: 2d, 3d_fullres, ...")
  var configuration: String?

  @OptionGroup var trained: TrainedModelArguments
  @OptionGroup var parts: PartArguments
  @OptionGroup var arguments: PredictArguments

  @Flag(help: "Print what would be done for each case, with an estimate of time and memory, and do nothing.")
  var explain = false

  func run() throws {
    let folder: String
    switch (model, dataset, configuration) {
    case (let model?, nil, nil): folder = model
    case (nil, let dataset?, let configuration?): folder = try trained.folder(dataset, configuration)
    default:
      throw Failure(
        .usage, "name the model either by its folder (-m) or by dataset and configuration (-d and -c)")
    }
    var session = PredictionSession(modelFolder: folder, arguments: arguments, parts: parts)
    session.modelDescription = modelDescription
    if explain { try session.explain() } else { try session.run() }
  }
}

/// `nnUNetv2_predict`
struct PredictDataset: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnUNetv2_predict", abstract: "Segments images with a trained nnU-Net v2 model, named by dataset.")

  @Option(name: .customShort("d"), help: "The dataset's name or number.")
  var dataset: String

  @Option(name: .customShort("c"), help: "The configuration: 2d, 3d_fullres, ...")
  var configuration: String

  @OptionGroup var trained: TrainedModelArguments
  @OptionGroup var parts: PartArguments
  @OptionGroup var arguments: PredictArguments

  func run() throws {
    let folder = try trained.folder(dataset, configuration)
    try PredictionSession(modelFolder: folder, arguments: arguments, parts: parts, toleratesNoCases: true).run()
  }
}

/// `nnUNetv2_predict_from_modelfolder`
struct PredictModelFolder: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nnUNetv2_predict_from_modelfolder",
    abstract: "Segments images with a trained nnU-Net v2 model, named by its folder.")

  @Option(name: .customShort("m"), help: "The model folder: the one with plans.json, dataset.json and fold_0.")
  var model: String

  @OptionGroup var parts: PartArguments
  @OptionGroup var arguments: PredictArguments

  func run() throws {
    try PredictionSession(modelFolder: model, arguments: arguments, parts: parts, toleratesNoCases: true).run()
  }
}

/// How a model in nnU-Net's results folder is named, besides dataset and configuration.
struct TrainedModelArguments: ParsableArguments {
  @Option(name: .customShort("p"), help: "The plans the model was trained with.")
  var plans = "nnUNetPlans"

  @Option(name: .customLong("tr", withSingleDash: true), help: "The trainer the model was trained with.")
  var trainer = "nnUNetTrainer"

  func folder(_ dataset: String, _ configuration: String) throws -> String {
    try ResultsFolder { Environment[$0] }
      .modelFolder(dataset: dataset, trainer: trainer, plans: plans, configuration: configuration)
  }
}

/// Dividing the cases of a folder among several runs.
struct PartArguments: ParsableArguments {
  @Option(name: .customLong("num_parts", withSingleDash: true), help: "Into how many parts the cases are divided.")
  var count = 1

  @Option(name: .customLong("part_id", withSingleDash: true), help: "Which part this run does, from 0.")
  var part = 0

  func validate() throws {
    guard count >= 1, (0..<count).contains(part) else {
      throw ValidationError("-part_id is \(part); it must be at least 0 and below -num_parts, which is \(count)")
    }
  }
}
