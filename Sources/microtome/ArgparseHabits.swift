/// What Python's argparse accepts on the command lines of the tools that this program replaces, and its own parser does
/// not: beginnings of long options, numbers right behind one letter, and options whose value may be left out. Scripts rely
/// on all of them.
struct ArgparseHabits {
  /// What begins several of them is left alone. Those with one dash begin with one.
  private var longOptions: [String] = []
  /// The names of an option, and what it means without a value.
  private var optionalValues: [(names: [String], value: String)] = []

  /// Other names of an option.
  private var synonyms: [String: String] = [:]

  private static let none = ArgparseHabits()

  private static let nnUNet = ArgparseHabits(longOptions: [
    "--disable_tta", "--verbose", "--save_probabilities", "--continue_prediction", "--not_on_device",
    "--disable_progress_bar", "--model_path", "--checkpoint", "--use_softmax", "-tr", "-step_size", "-chk", "-npp",
    "-nps", "-prev_stage_predictions", "-num_parts", "-part_id", "-device",
  ])

  /// Of the tools that evaluate and select models, by name.
  private static let selection: [String: [String]] = [
    "nnUNetv2_evaluate_folder": ["--chill", "-djfile", "-pfile", "-np"],
    "nnUNetv2_evaluate_simple": ["--chill", "-il", "-np"],
    "nnUNetv2_find_best_configuration": ["--disable_ensembling", "--no_overwrite", "-tr", "-np"],
    "nnUNetv2_ensemble": ["--save_npz", "-np"],
    "nnUNetv2_determine_postprocessing": ["--remove_postprocessed", "-ref", "-plans_json", "-dataset_json", "-np"],
    "nnUNetv2_apply_postprocessing": ["-pp_pkl_file", "-np", "-plans_json", "-dataset_json"],
    "nnUNetv2_plot_overlay_pngs": ["--use_raw", "-channel_idx", "-plans_name", "-np", "-overlay_intensity"],
    "nnUNetv2_export_model_to_zip": ["--not_strict", "--exp_cv_preds", "-tr", "-chk"],
    "nnUNetv2_distillation_train": distillation, "nnUNetv2_resenc_distillation_train": distillation,
  ]

  private static let distillation = [
    "--dataset_id", "--configuration", "--start_fold", "--fold", "--teacher_model_folder", "--teacher_folds",
    "--teacher_checkpoint", "--teacher_plans", "--student_plans", "--alpha", "--temperature", "--reduction_factor",
    "--block_strategy", "--device", "--continue_training", "--disable_val_mirroring", "--rotate_training_folds",
    "--rotate_folds_frequency", "--epochs", "--use_da5",
  ]

  private static let planning = ArgparseHabits(longOptions: [
    "--verify_dataset_integrity", "--no_pp", "--clean", "--verbose", "--no_pbar", "-fpe", "-npfp", "-pl",
    "-gpu_memory_target", "-preprocessor_name", "-overwrite_target_spacing", "-overwrite_plans_name", "-plans_name",
    "-np",
  ])

  /// Commands, under nnU-Net's names and this program's, that come before training.
  private static let planningCommands: Set<String> = [
    "nnUNetv2_plan_and_preprocess", "nnUNetv2_extract_fingerprint", "nnUNetv2_plan_experiment", "nnUNetv2_preprocess",
    "nnUNet_plan_and_preprocess", "plan-and-preprocess", "fingerprint", "plan", "preprocess",
  ]

  private static let training = ArgparseHabits(longOptions: [
    "--npz", "--c", "--val", "--val_best", "--disable_checkpointing", "--device", "-tr", "-pretrained_weights",
    "-num_gpus", "-device",
  ])

  private static let totalSegmentator = ArgparseHabits(
    longOptions: [
      "--output_type", "--nr_thr_resamp", "--nr_thr_saving", "--resampling_order", "--fastest", "--fast",
      "--save_lowres", "--nora_tag", "--preview", "--task", "--model_size", "--roi_subset", "--roi_subset_robust",
      "--robust_crop", "--statistics", "--statistics_extra", "--radiomics", "--report", "--stats_include_incomplete",
      "--stats_aggregation", "--crop_path", "--body_seg", "--force_split", "--skip_saving", "--no_derived_masks",
      "--v1_order", "--remove_small_blobs", "--device", "--quiet", "--verbose", "--license_number", "--list-tasks",
      "--list-classes", "--weights_dir", "--save_probabilities",
    ],
    optionalValues: [
      (["-s", "--statistics"], ""), (["-rmb", "--remove_small_blobs"], "200"), (["-lc", "--list-classes"], "total"),
    ])

  /// Both of its subcommands name input and output in words too.
  private static func fastSegmentator(_ subcommand: ArgparseHabits) -> ArgparseHabits {
    var habits = subcommand
    habits.longOptions += ["--input_path", "--output_path"]
    habits.synonyms = ["--input_path": "-i", "--output_path": "-o"]
    return habits
  }

  private static let fastnnUNet = ArgparseHabits(longOptions: [
    "--input", "--mode", "--enable_subseg", "--output", "--device", "--disable_tta", "--continue_prediction",
    "--disable_progress_bar", "--verbose", "--engine", "--engine-path", "--precision", "--threads", "--no-cache",
  ])

  /// Those of the tool that a command line stands for.
  ///
  /// - Parameter name: under which the program was started, without folders.
  static func of(_ name: String, _ arguments: [String]) -> ArgparseHabits {
    if name == "TotalSegmentator" { return totalSegmentator }
    if name == "FastSegmentator" { return fastSegmentator(arguments.first == "totalseg" ? totalSegmentator : nnUNet) }
    if name == "nnUNetv2_train" { return training }
    if name == "fastnnunet" { return fastnnUNet }
    if let options = selection[name] { return ArgparseHabits(longOptions: options) }
    if planningCommands.contains(name) { return planning }
    if name.hasPrefix("nnUNetv2_") { return nnUNet }
    switch arguments.first {
    case "totalseg": return totalSegmentator
    case "predict", "nnunet": return nnUNet
    case "fastnnunet": return fastnnUNet
    case let command? where planningCommands.contains(command): return planning
    default: return none
    }
  }

  /// The arguments with long options written in full and every option having its value.
  func complete(_ arguments: [String]) -> [String] {
    var completed: [String] = []
    for (index, argument) in arguments.enumerated() {
      let argument = fullName(argument)
      if let letter = letterWithNumber(argument) {
        completed += [letter, String(argument.dropFirst(2))]
        continue
      }
      let name = argument.prefix { $0 != "=" }
      if let synonym = synonyms[String(name)] {
        completed.append(synonym)
        if name.count < argument.count { completed.append(String(argument.dropFirst(name.count + 1))) }
        continue
      }
      completed.append(argument)
      guard let option = optionalValues.first(where: { $0.names.contains(argument) }) else { continue }
      // The parser does not take "--option=" for an option with an empty value, so the value follows.
      let next = index + 1 < arguments.count ? arguments[index + 1] : "-"
      if next.hasPrefix("-") { completed.append(option.value) }
    }
    return completed
  }

  private func fullName(_ argument: String) -> String {
    let name = argument.prefix { $0 != "=" }
    // "--" alone ends the options; one dash and a letter are an option of their own, one dash and a digit a number.
    guard name.count > 2, name.hasPrefix("--") || Self.isLetterOption(name), !longOptions.contains(String(name)) else {
      return argument
    }
    // One dash does not stand for two.
    let candidates = longOptions.filter { $0.hasPrefix(name) && $0.hasPrefix("--") == name.hasPrefix("--") }
    guard candidates.count == 1, let full = candidates.first else { return argument }
    return full + argument.dropFirst(name.count)
  }

  private static func isLetterOption(_ argument: some StringProtocol) -> Bool {
    argument.first == "-" && argument.dropFirst().first?.isLetter == true
  }

  /// "-d" of "-d18", where the command is one of Python's.
  private func letterWithNumber(_ argument: String) -> String? {
    guard !longOptions.isEmpty, Self.isLetterOption(argument), argument.count > 2,
      argument.dropFirst(2).allSatisfy({ $0.isASCII && $0.isNumber })
    else { return nil }
    return String(argument.prefix(2))
  }

  /// The argument that has made the parser show its help although nobody asks for it: a word behind one dash that is no
  /// option, of which it takes each letter for one, -h among them.
  static func mistakenForHelp(_ arguments: [String]) -> String? {
    let questions: Set = ["-h", "--help", "-help", "help"]
    guard !arguments.contains(where: questions.contains) else { return nil }
    return arguments.first { isLetterOption($0) && $0.contains("h") }
  }
}
