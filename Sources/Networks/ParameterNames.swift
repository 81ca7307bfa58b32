import Checkpoints

/// The naming habits of nnU-Net's checkpoints.
public enum ParameterNames {
  /// The name without what PyTorch's wrappers add (`module.` of distributed training, `_orig_mod.` of compilation,
  /// `network.` around FastnnUNet's residual students), or nil for a second name of a parameter that has a first: the decoder refers to the whole encoder, and every
  /// convolution block lists its layers once more as `all_modules`.
  public static func canonical(_ name: String) -> String? {
    var name = Substring(name)
    var shortened = true
    while shortened {
      shortened = false
      for prefix in ["module.", "_orig_mod.", "network."] where name.hasPrefix(prefix) {
        name = name.dropFirst(prefix.count)
        shortened = true
      }
    }
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    if name.hasPrefix("decoder.encoder.") || components.contains("all_modules") { return nil }
    return components.contains("_orig_mod")
      ? components.filter { $0 != "_orig_mod" }.joined(separator: ".") : String(name)
  }

  /// One entry per parameter, under its canonical name.
  public static func canonical(_ weights: [String: Tensor]) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    result.reserveCapacity(weights.count)
    for (name, tensor) in weights {
      if let name = canonical(name) { result[name] = tensor }
    }
    return result
  }
}
