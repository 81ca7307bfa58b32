import Basics

/// What planning knows about a training set: sizes, spacings and foreground intensities (`dataset_fingerprint.json`).
public struct DatasetFingerprint: Sendable, Equatable {
  /// (Z, Y, X) in file axis order, one per case, after cropping to what is not zero.
  public let shapes: [[Int]]
  /// In mm, (Z, Y, X) in file axis order, one per case.
  public let spacings: [[Double]]
  /// The median over the cases of the share of voxels that cropping keeps.
  public let medianRelativeSize: Double
  /// Statistics of foreground intensities by channel ("0", "1", ...): mean, median, std, min, max, percentile_00_5 and
  /// percentile_99_5.
  public let intensities: JSON

  /// The name of the file in a preprocessed dataset's folder.
  public static let fileName = "dataset_fingerprint.json"

  public init(shapes: [[Int]], spacings: [[Double]], medianRelativeSize: Double, intensities: JSON) {
    self.shapes = shapes
    self.spacings = spacings
    self.medianRelativeSize = medianRelativeSize
    self.intensities = intensities
  }

  /// Throws `badInput` naming the key that is missing or wrong.
  public init(json: JSON) throws {
    func rows<Value>(_ key: String, _ values: (JSON) -> [Value]?) throws -> [[Value]] {
      let rows = json[key]?.array?.map(values) ?? []
      let complete = rows.compactMap { $0 }.filter { $0.count == 3 }
      guard !rows.isEmpty, complete.count == rows.count else {
        throw Failure(.badInput, "\"\(key)\" is not a list with three numbers for each case")
      }
      return complete
    }
    shapes = try rows("shapes_after_crop", \.ints)
    spacings = try rows("spacings", \.doubles)
    guard shapes.count == spacings.count, shapes.allSatisfy({ $0.allSatisfy { $0 > 0 } }),
      spacings.allSatisfy({ $0.allSatisfy { $0 > 0 && $0.isFinite } })
    else { throw Failure(.badInput, "\"shapes_after_crop\" and \"spacings\" do not describe the same cases") }
    guard let size = json["median_relative_size_after_cropping"]?.double else {
      throw Failure(.badInput, "\"median_relative_size_after_cropping\" is missing")
    }
    medianRelativeSize = size
    guard let table = json["foreground_intensity_properties_per_channel"], table.object != nil else {
      throw Failure(.badInput, "\"foreground_intensity_properties_per_channel\" is missing")
    }
    intensities = table
  }

  /// Reads a `dataset_fingerprint.json`. Throws `missingInput` or `badInput`.
  public static func read(_ path: String) throws -> DatasetFingerprint {
    try locating(path) { try DatasetFingerprint(json: JSON.read(path)) }
  }

  public var json: JSON {
    .object([
      "foreground_intensity_properties_per_channel": intensities,
      "median_relative_size_after_cropping": .double(medianRelativeSize),
      "shapes_after_crop": .array(shapes.map { .array($0.map(JSON.int)) }),
      "spacings": .array(spacings.map { .array($0.map(JSON.double)) }),
    ])
  }

  /// Writes a `dataset_fingerprint.json`. Throws `cannotWrite`.
  public func write(to path: String) throws {
    try AtomicFile.write(Array(json.text(indent: 4, sortedKeys: true).utf8), to: path)
  }
}
