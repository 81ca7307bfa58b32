import Basics
import ImageFormats
import Imaging

/// What `plans.json` says: how images are prepared and which network is run on them (nnU-Net v2 format).
public struct Plans: Sendable {
  public let datasetName: String
  public let plansName: String
  /// The class that reads and writes the images.
  public let reader: ImageReader
  /// New axis `i` of the network's frame is axis `transposeForward[i]` of the file.
  public let transposeForward: [Int]
  public let transposeBackward: [Int]
  /// Intensity statistics by channel, for CT normalisation.
  public let intensities: [Int: IntensityProperties]
  public let json: JSON

  /// Throws `badInput` naming the key that is missing or wrong.
  public init(json: JSON) throws {
    self.json = json
    datasetName = json["dataset_name"]?.string ?? "unknown"
    plansName = json["plans_name"]?.string ?? "unknown"
    let readerName = json["image_reader_writer"]?.string ?? ImageReader.simpleITK.rawValue
    guard let reader = ImageReader(rawValue: readerName) else {
      throw Failure(
        .badInput, "images are read by \"\(readerName)\", which is not known",
        hint: "known are \(ImageReader.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self.reader = reader
    let forward = try Self.permutation(json, "transpose_forward")
    let backward = try Self.permutation(json, "transpose_backward")
    guard forward.enumerated().allSatisfy({ backward[$1] == $0 }) else {
      throw Failure(.badInput, "\"transpose_backward\" does not undo \"transpose_forward\"")
    }
    transposeForward = forward
    transposeBackward = backward
    intensities = Self.intensities(json)
    guard json["configurations"]?.object != nil else { throw Failure(.badInput, "\"configurations\" is missing") }
  }

  /// Reads a `plans.json`.
  public static func read(_ path: String) throws -> Plans {
    try locating(path) { try Plans(json: JSON.read(path)) }
  }

  /// The names of the configurations.
  public var configurationNames: [String] { json["configurations"]?.object?.keys ?? [] }

  /// A configuration with everything it inherits. Throws `badInput` for unknown names and circular inheritance.
  public func configuration(_ name: String) throws -> Configuration {
    try Configuration(name: name, json: resolved(name, heirs: []), plans: self)
  }

  private func resolved(_ name: String, heirs: [String]) throws -> JSONObject {
    guard let own = json["configurations"]?[name]?.object else {
      throw Failure(
        .badInput, "there is no configuration \"\(name)\"",
        hint: "there are \(configurationNames.joined(separator: ", "))")
    }
    guard !heirs.contains(name) else {
      throw Failure(
        .badInput,
        "the configurations \((heirs + [name]).joined(separator: " -> ")) inherit from each other in a circle")
    }
    guard let parent = own["inherits_from"]?.string else { return own }
    var all = try resolved(parent, heirs: heirs + [name])
    for (key, value) in own.members where key != "inherits_from" { all[key] = value }
    return all
  }

  private static func permutation(_ json: JSON, _ key: String) throws -> [Int] {
    guard let axes = json[key]?.ints, axes.sorted() == [0, 1, 2] else {
      throw Failure(.badInput, "\"\(key)\" is not a permutation of the axes 0, 1 and 2")
    }
    return axes
  }

  private static func intensities(_ json: JSON) -> [Int: IntensityProperties] {
    let table =
      json["foreground_intensity_properties_per_channel"]?.object
      ?? json["foreground_intensity_properties_by_modality"]?.object
    var byChannel: [Int: IntensityProperties] = [:]
    for (key, value) in table?.members ?? [] {
      guard let channel = Int(key), let mean = value["mean"]?.double, let std = value["std"]?.double,
        let lower = value["percentile_00_5"]?.double, let upper = value["percentile_99_5"]?.double
      else { continue }
      byChannel[channel] = IntensityProperties(
        mean: Float(mean), standardDeviation: Float(std), lowPercentile: Float(lower), highPercentile: Float(upper))
    }
    return byChannel
  }
}
