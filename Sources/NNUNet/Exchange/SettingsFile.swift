import Basics

/// An INI file: sections of `key = value`, comments after `;` or `#`.
struct SettingsFile {
  /// Values by section and key, both in lower case.
  private var sections: [String: [String: String]] = [:]

  static func read(_ path: String) throws -> SettingsFile {
    try SettingsFile(parsing: String(decoding: Path.read(path), as: UTF8.self))
  }

  /// Throws `badInput` for a line that is neither section nor setting.
  init(parsing text: String) throws {
    var section = ""
    for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let line = Self.trimmed(line.prefix { $0 != ";" && $0 != "#" })
      if line.isEmpty { continue }
      if line.first == "[", line.last == "]" {
        section = Self.trimmed(line.dropFirst().dropLast()).lowercased()
        continue
      }
      guard let equals = line.firstIndex(of: "=") else {
        throw Failure(.badInput, "line \(number + 1) is neither [section] nor key = value")
      }
      let key = Self.trimmed(line[..<equals]).lowercased()
      sections[section, default: [:]][key] = Self.trimmed(line[line.index(after: equals)...])
    }
  }

  /// The file that is configured; nil where none is named.
  var modelFile: String? { sections["model"]?["file_name"].flatMap { $0.isEmpty ? nil : $0 } }

  /// What FastnnUNet's engine is configured with, under the names of `ModelDescription`.
  ///
  /// Throws `badInput` naming the key that is missing, malformed or at odds with another.
  func description() throws -> JSON {
    var json: JSONObject = [:]
    let patch = try integers("input", "patch_size")
    let sizes = try ["depth", "height", "width"].map { try integers("input", $0)?.first }
    let known = sizes.compactMap { $0 }
    if let patch, known.count == 3, patch != known {
      throw Failure(.badInput, "\"patch_size\" is \(patch), but depth, height and width are \(known)")
    }
    guard let patch = patch ?? (known.count == 3 ? known : nil) else {
      throw Failure(.badInput, "\"patch_size\" is missing")
    }
    json["patch_size"] = .array(patch.map(JSON.int))
    guard let spacing = try numbers("input", "target_spacing") else {
      throw Failure(.badInput, "\"target_spacing\" is missing")
    }
    json["target_spacing"] = .array(spacing.map(JSON.double))
    var properties: JSONObject = [:]
    for (key, name) in [
      ("mean", "mean"), ("std_dev", "std"), ("lower_bound", "percentile_00_5"), ("upper_bound", "percentile_99_5"),
    ] {
      guard let value = try numbers("preprocessing", key)?.first else {
        throw Failure(.badInput, "\"\(key)\" is missing in [preprocessing]")
      }
      properties[name] = .double(value)
    }
    json["intensity_properties"] = .object(properties)
    if let count = try integers("model", "num_class")?.first { json["num_class"] = .int(count) }
    for key in ["input_name", "output_name"] { json[key] = sections["model"]?[key].map(JSON.string) }
    // The engine file of another program may stand there; only the name of an ONNX file says what is described.
    if let name = modelFile, name.hasSuffix(".onnx") { json["model_path"] = .string(name) }
    for key in ["use_mirroring", "use_gaussian"] {
      guard let text = sections["inference"]?[key]?.lowercased() else { continue }
      guard ["true", "false", "1", "0"].contains(text) else {
        throw Failure(.badInput, "\"\(key)\" is neither true nor false")
      }
      json[key] = .bool(text == "true" || text == "1")
    }
    if let step = try numbers("inference", "step_size")?.first { json["step_size"] = .double(step) }
    return .object(json)
  }

  private func numbers(_ section: String, _ key: String) throws -> [Double]? {
    guard let text = sections[section]?[key] else { return nil }
    let numbers = text.split(separator: ",").map { Double(Self.trimmed($0)) }
    let known = numbers.compactMap { $0 }
    guard !known.isEmpty, known.count == numbers.count, known.allSatisfy(\.isFinite) else {
      throw Failure(.badInput, "\"\(key)\" is \(text), not a number or a list of numbers")
    }
    return known
  }

  private func integers(_ section: String, _ key: String) throws -> [Int]? {
    try numbers(section, key)?.map { number in
      guard let integer = Int(exactly: number) else {
        throw Failure(.badInput, "\"\(key)\" is \(number), not a whole number")
      }
      return integer
    }
  }

  private static func trimmed(_ text: some StringProtocol) -> String {
    var text = text[...]
    while let last = text.last, last.isWhitespace { text.removeLast() }
    return String(text.drop(while: \.isWhitespace))
  }
}
