/// Python's argparse accepts any unambiguous beginning of a long option; scripts rely on it.
enum LongOptionPrefixes {
  /// The long options of the commands that this program replaces. What begins several of them is left alone.
  private static let known = [
    "--disable_tta", "--verbose", "--continue_prediction", "--not_on_device",
    "--disable_progress_bar", "--model_path", "--checkpoint", "--use_softmax",
    "--output_type", "--nr_thr_resamp", "--nr_thr_saving", "--resampling_order", "--fastest", "--fast", "--save_lowres",
    "--nora_tag", "--preview", "--task", "--model_size", "--roi_subset", "--roi_subset_robust", "--robust_crop",
    "--statistics", "--statistics_extra", "--radiomics", "--report", "--stats_include_incomplete",
    "--stats_aggregation", "--crop_path", "--body_seg", "--force_split", "--skip_saving", "--no_derived_masks",
    "--v1_order", "--remove_small_blobs", "--device", "--quiet", "--license_number", "--list-tasks", "--list-classes",
    "--weights_dir", "--save_probabilities",
  ]

  /// Replaces every abbreviated long option by its full name.
  static func expand(_ arguments: [String]) -> [String] {
    arguments.map { argument in
      let name = argument.prefix { $0 != "=" }
      // "--" alone ends the options.
      guard name.hasPrefix("--"), name.count > 2, !known.contains(String(name)) else { return argument }
      let candidates = known.filter { $0.hasPrefix(name) }
      guard candidates.count == 1, let full = candidates.first else { return argument }
      return full + argument.dropFirst(name.count)
    }
  }
}
