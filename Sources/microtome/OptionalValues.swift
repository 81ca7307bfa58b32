/// Options whose value may be left out, which Python's argparse knows and this program's parser does not.
enum OptionalValues {
  /// TotalSegmentator's: the names of an option, and what it means without a value.
  private static let totalSegmentator: [(names: [String], value: String)] = [
    (["-s", "--statistics"], ""),
    (["-rmb", "--remove_small_blobs"], "200"),
    (["-lc", "--list-classes"], "total"),
  ]

  /// Gives every such option without a value the one it stands for.
  static func fill(_ arguments: [String]) -> [String] {
    var filled: [String] = []
    for (index, argument) in arguments.enumerated() {
      guard let option = totalSegmentator.first(where: { $0.names.contains(argument) }) else {
        filled.append(argument)
        continue
      }
      let next = index + 1 < arguments.count ? arguments[index + 1] : "-"
      filled.append(argument)
      // The parser does not take "--option=" for an option with an empty value.
      if next.hasPrefix("-") { filled.append(option.value) }
    }
    return filled
  }
}
