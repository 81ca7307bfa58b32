import Basics

/// What the comparison of models has found, and how to use it: `inference_information.json` and
/// `inference_instructions.txt`.
struct InferenceInformation {
  let dataset: String
  let folds: [String]
  let considered: [ModelIdentifier]
  let ensembling: Bool
  let candidates: [BestConfiguration.Candidate]
  let best: BestConfiguration.Candidate
  /// The best score after postprocessing.
  let after: Double

  private var postprocessingFile: String { Path.join(best.folder, "postprocessing.pkl") }
  private var plansFile: String { Path.join(best.folder, "plans.json") }

  /// The document, whose keys are sorted when it is written.
  var json: JSON {
    let selected = best.models.map { model in
      JSON.object([
        "configuration": .string(model.configuration), "plans_identifier": .string(model.plans),
        "trainer": .string(model.trainer),
      ])
    }
    return .object([
      "all_results": .object(JSONObject(candidates.map { ($0.name, .double($0.score)) })),
      "best_model_or_ensemble": .object([
        "postprocessing_file": .string(postprocessingFile), "result_on_crossval_post_pp": .double(after),
        "result_on_crossval_pre_pp": .double(best.score), "selected_model_or_models": .array(selected),
        "some_plans_file": .string(plansFile),
      ]),
      "considered_models": .array(
        considered.map {
          .object([
            "configuration": .string($0.configuration), "plans": .string($0.plans), "trainer": .string($0.trainer),
          ])
        }),
      "dataset_name_or_id": .string(dataset), "ensembling_allowed": .bool(ensembling),
      "folds": .array(folds.map { fold in Int(fold).map(JSON.int) ?? .string(fold) }),
    ])
  }

  func write(to path: String) throws {
    try AtomicFile.write(Array(json.text(indent: 4, sortedKeys: true).utf8), to: path)
  }

  /// The commands that predict with the winner.
  ///
  /// A cascade needs the segmentations of its first stage, so that stage's command comes before its own.
  func instructions(
    processes: Int, previousStage: (ModelIdentifier) throws -> ModelIdentifier?
  ) rethrows -> String {
    let isEnsemble = best.models.count > 1
    var lines = [isEnsemble ? "Predict with each member of the ensemble:" : "Predict:", ""]
    var outputs: [String] = []
    for (number, model) in best.models.enumerated() {
      let output = isEnsemble ? "OUTPUT_FOLDER_MODEL_\(number + 1)" : "OUTPUT_FOLDER"
      outputs.append(output)
      var stage: String?
      if let previous = try previousStage(model) {
        let folder = isEnsemble ? "OUTPUT_FOLDER_PREV_STAGE_\(number + 1)" : "OUTPUT_FOLDER_PREV_STAGE"
        lines.append(command(previous, output: folder, previousStage: nil, savesProbabilities: false))
        stage = folder
      }
      lines.append(command(model, output: output, previousStage: stage, savesProbabilities: isEnsemble))
    }
    if isEnsemble {
      lines += ["", "Average their probabilities:", ""]
      lines.append("nnUNetv2_ensemble -i \(outputs.joined(separator: " ")) -o OUTPUT_FOLDER -np \(processes)")
    }
    lines += ["", "Postprocess the result:", ""]
    lines.append(
      "nnUNetv2_apply_postprocessing -i OUTPUT_FOLDER -o OUTPUT_FOLDER_PP -pp_pkl_file \(postprocessingFile) "
        + "-np \(processes) -plans_json \(plansFile)")
    return lines.joined(separator: "\n") + "\n"
  }

  private func command(
    _ model: ModelIdentifier, output: String, previousStage: String?, savesProbabilities: Bool
  ) -> String {
    var text = "nnUNetv2_predict -d \(dataset) -i INPUT_FOLDER -o \(output) -f  \(folds.joined(separator: " "))"
    text += " -tr \(model.trainer) -c \(model.configuration) -p \(model.plans)"
    if let previousStage { text += " -prev_stage_predictions \(previousStage)" }
    if savesProbabilities { text += " --save_probabilities" }
    return text
  }
}
