/// Python's argparse accepts any unambiguous beginning of a long option; scripts rely on it.
enum LongOptionPrefixes {
  /// The long options of the nnU-Net commands.
  private static let known = [
    "--disable_tta", "--verbose", "--save_probabilities", "--continue_prediction", "--not_on_device",
    "--disable_progress_bar", "--model_path", "--checkpoint", "--use_softmax",
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
