import Basics
import ImageFormats

/// A case with its segmentation.
public struct TrainingCase: Sendable, Equatable {
  public let identifier: String
  /// Channel files in channel order.
  public let images: [String]
  public let label: String
}

/// A dataset in nnU-Net's raw layout: `dataset.json`, `imagesTr/CASE_0000.EXT`, `labelsTr/CASE.EXT`.
public struct RawDataset: Sendable {
  public let path: String
  /// The folder's name, `Dataset004_Name`.
  public let name: String
  public let description: DatasetDescription
  /// In nnU-Net's order.
  public let cases: [TrainingCase]
  /// Images in the folder whose names lack a `_0000` channel suffix.
  public let unusable: [String]

  /// Looks at a dataset's folder; no image is read.
  ///
  /// - Parameter environment: expands variables in the paths of a `dataset` entry.
  /// - Throws: `missingInput` or `badInput`, naming what is missing.
  public init(path: String, environment: (String) -> String? = { _ in nil }) throws {
    guard Path.isFolder(path) else {
      throw Failure(.missingInput, "does not exist", file: path, hint: "nnUNet_raw is the folder that datasets lie in")
    }
    self.path = path
    name = Path.split(path).name
    let document = Path.join(path, "dataset.json")
    description = try DatasetDescription.read(document)
    if let listed = description.json["dataset"]?.object {
      cases = try listed.members.map { identifier, entry in
        try locating(document) {
          guard let images = entry["images"]?.strings, !images.isEmpty, let label = entry["label"]?.string else {
            throw Failure(.badInput, "the case \"\(identifier)\" of \"dataset\" lacks \"images\" or \"label\"")
          }
          return TrainingCase(
            identifier: identifier, images: images.map { Self.expand($0, path, environment) },
            label: Self.expand(label, path, environment))
        }
      }
      unusable = []
    } else {
      let images = Path.join(path, "imagesTr")
      guard Path.isFolder(images) else {
        throw Failure(
          .missingInput, "does not exist", file: images,
          hint: "training images lie there as CASE_0000\(description.fileEnding)")
      }
      let list = try CaseList.find(at: images, ending: description.fileEnding)
      let labels = Path.join(path, "labelsTr")
      let ending = description.fileEnding
      cases = list.cases.map {
        TrainingCase(
          identifier: $0.identifier, images: $0.images, label: Path.join(labels, $0.identifier + ending))
      }
      unusable = list.unusable
    }
    guard !cases.isEmpty else {
      throw Failure(
        .missingInput, "holds no training cases", file: path,
        hint: "images are named imagesTr/CASE_0000\(description.fileEnding)")
    }
  }

  /// The class that reads the dataset's files: the one `dataset.json` asks for, else the first that takes the file ending
  /// and can open the first image; where none can, the next image is tried. Throws `badInput` when there is none.
  public func reader() throws -> ImageReader {
    let document = Path.join(path, "dataset.json")
    if let wanted = description.json["overwrite_image_reader_writer"]?.string, wanted != "None" {
      guard let reader = ImageReader(rawValue: wanted) else {
        throw Failure(
          .badInput, "\"overwrite_image_reader_writer\" asks for \"\(wanted)\", which is not known", file: document,
          hint: "known are \(ImageReader.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return reader
    }
    let ending = description.fileEnding.lowercased()
    let candidates = Self.readers.filter { $0.endings.contains(ending) }
    var refusal: Failure?
    for training in cases {
      for candidate in candidates {
        do {
          _ = try candidate.reader.read(training.images)
          return candidate.reader
        } catch let failure as Failure {
          refusal = refusal ?? failure
        }
      }
    }
    throw refusal
      ?? Failure(
        .badInput, "files ending in \(description.fileEnding) cannot be read", file: document,
        hint: "nnU-Net reads \(Self.readers.flatMap(\.endings).joined(separator: ", "))")
  }

  /// In the order in which nnU-Net tries them.
  private static let readers: [(reader: ImageReader, endings: [String])] = [
    (.naturalImage2D, [".png", ".bmp", ".tif"]),
    (.simpleITK, [".nii.gz", ".nrrd", ".mha", ".gipl"]),
    (.tiff3D, [".tif", ".tiff"]),
    (.nibabel, [".nii", ".nii.gz"]),
    (.nibabelReoriented, [".nii", ".nii.gz"]),
  ]

  /// Replaces `$NAME` and `${NAME}`, and makes a relative path one below the dataset's folder.
  private static func expand(_ text: String, _ folder: String, _ environment: (String) -> String?) -> String {
    var result = ""
    var rest = Substring(text)
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      rest = rest[rest.index(after: dollar)...]
      let isBraced = rest.first == "{"
      if isBraced { rest.removeFirst() }
      let name = rest.prefix { $0 == "_" || $0.isLetter || $0.isNumber }
      rest = rest.dropFirst(name.count)
      if isBraced, rest.first == "}" { rest.removeFirst() }
      result += environment(String(name)) ?? (isBraced ? "${\(name)}" : "$\(name)")
    }
    result += rest
    return result.hasPrefix("/") ? result : Path.join(folder, result)
  }
}
