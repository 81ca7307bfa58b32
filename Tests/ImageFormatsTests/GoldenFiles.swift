import Basics
import Foundation
import Imaging
import TestSupport
import Testing

@testable import ImageFormats

/// The files under Resources/golden, and what nnU-Net's own classes made of them (see make_golden.py).
enum Golden {
  /// A folder named Resources makes a bundle's layout ambiguous: platforms differ in how many levels they count.
  static let folder =
    [Bundle.module.bundlePath, Bundle.module.resourcePath ?? ""]
    .flatMap { [$0 + "/Resources/golden", $0 + "/golden"] }.first(where: Path.isFolder) ?? ""

  static func path(_ name: String) -> String { folder + "/" + name }

  struct Reading: Sendable, CustomTestStringConvertible {
    var files: [String]
    var reader: ImageReader
    /// Nil where the original raised an error.
    var image: Expected?

    var testDescription: String { "\(reader.rawValue) \(files.joined(separator: " "))" }
  }

  struct Expected: Sendable {
    var shape: [Int]
    var voxels: [Double]
    var properties: JSON
  }

  struct Writing: Sendable, CustomTestStringConvertible {
    var source: String
    var reader: ImageReader
    var file: String
    var largest: Int

    var testDescription: String { file }
  }

  private static let document = (try? JSON.read(path("expected.json"))) ?? .null

  static let readings: [Reading] = (document["reads"]?.array ?? []).compactMap { entry in
    guard let files = entry["files"]?.strings, let reader = entry["reader"]?.string.flatMap(ImageReader.init) else {
      return nil
    }
    var expected: Expected?
    if let shape = entry["shape"]?.ints, let voxels = entry["voxels"]?.doubles, let properties = entry["properties"] {
      expected = Expected(shape: shape, voxels: voxels, properties: properties)
    }
    return Reading(files: files, reader: reader, image: expected)
  }

  static let writings: [Writing] = (document["writes"]?.array ?? []).compactMap { entry in
    guard let source = entry["source"]?.string, let file = entry["file"]?.string, let largest = entry["largest"]?.int,
      let reader = entry["reader"]?.string.flatMap(ImageReader.init)
    else { return nil }
    return Writing(source: source, reader: reader, file: file, largest: largest)
  }
}
