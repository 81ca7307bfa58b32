/// Guesses what was meant by a name that does not exist.
public enum Spelling {
  /// Up to `limit` of `names` that resemble `name`: those that contain it, then those few edits away, best first.
  public static func nearest(to name: String, in names: [String], limit: Int = 3) -> [String] {
    let wanted = name.lowercased()
    let ranked = names.enumerated().compactMap { position, candidate -> (score: Int, position: Int, name: String)? in
      let other = candidate.lowercased()
      let edits = distance(Array(wanted.utf8), Array(other.utf8))
      if edits <= max(1, wanted.utf8.count / 4) { return (edits, position, candidate) }
      let isPart = wanted.utf8.count >= 3 && other.utf8.count >= 3 && (other.contains(wanted) || wanted.contains(other))
      return isPart ? (100 + edits, position, candidate) : nil
    }
    return ranked.sorted { ($0.score, $0.position) < ($1.score, $1.position) }.prefix(limit).map(\.name)
  }

  /// "did you mean A or B?", or nil when nothing resembles `name`.
  public static func suggestion(for name: String, in names: [String]) -> String? {
    let near = nearest(to: name, in: names)
    return near.isEmpty ? nil : "did you mean \(near.joined(separator: " or "))?"
  }

  /// The least number of insertions, deletions and replacements that turn one word into the other (Levenshtein).
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var previous = Array(0...right.count)
    for (row, byte) in left.enumerated() {
      var current = [row + 1]
      for (column, other) in right.enumerated() {
        current.append(min(previous[column] + (byte == other ? 0 : 1), previous[column + 1] + 1, current[column] + 1))
      }
      previous = current
    }
    return previous[right.count]
  }
}
