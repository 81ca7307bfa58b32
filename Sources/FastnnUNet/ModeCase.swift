import Basics
import ImageFormats
import NNUNet

/// One image of a mode's run: its files, one for each channel, and where the labels go.
public struct ModeCase: Sendable, Equatable {
  public var identifier: String
  public var images: [String]
  public var output: String

  /// The cases of some inputs, each a file or a folder.
  ///
  /// Where a model takes one channel, every image is a case and a `_0000` at the end of its name is left out of the
  /// case's; where it takes more, their files are `<case>_0000`, `<case>_0001`, ... as for nnU-Net. The labels of a case
  /// go to `<output>/<case>_<mode>.nii.gz`.
  ///
  /// Throws `missingInput`, `badInput` for names that no reader knows, and `usage` for cases of the same name and for
  /// labels that would replace an image.
  public static func find(
    at inputs: [String], output: String, mode: String, channels: Int, reader: ImageReader
  ) throws -> [ModeCase] {
    var cases: [ModeCase] = []
    for input in inputs {
      for (stem, images) in try files(input, channels: channels, reader: reader) {
        let result = Path.join(output, "\(stem)_\(mode).nii.gz")
        if let other = cases.first(where: { $0.identifier == stem }) {
          throw Failure(
            .usage, "has the same name as \(other.images[0]), and so would their labels", file: images[0],
            hint: "segment them into different folders with -o")
        }
        cases.append(ModeCase(identifier: stem, images: images, output: result))
      }
    }
    let images = cases.flatMap(\.images)
    for item in cases where images.contains(where: { Path.isSame($0, item.output) }) {
      throw Failure(
        .usage, "the labels would replace an image", file: item.output, hint: "choose another folder with -o")
    }
    return cases
  }

  private static func files(
    _ input: String, channels: Int, reader: ImageReader
  ) throws -> [(stem: String, images: [String])] {
    // The longer ending first: a .nii.gz is no .gz.
    let endings = reader.endings.sorted { $0.count > $1.count }
    func ending(of path: String) -> String? {
      let name = Path.split(path).name
      return name.hasPrefix(".") ? nil : endings.first { name.hasSuffix($0) && name.count > $0.count }
    }
    guard Path.exists(input) else { throw Failure(.missingInput, "does not exist", file: input) }
    let isFolder = Path.isFolder(input)
    let paths = isFolder ? try Path.list(input).map { Path.join(input, $0) }.filter(Path.isFile) : [input]
    let images = paths.filter { ending(of: $0) != nil }
    guard !images.isEmpty else {
      throw Failure(
        isFolder ? .missingInput : .badInput, isFolder ? "holds no image" : "is no image by its name", file: input,
        hint: "names end in \(endings.joined(separator: ", ")); DICOM cannot be read yet, dcm2niix converts it")
    }
    if channels > 1 {
      let found = try Set(images.compactMap(ending)).sorted().flatMap { try CaseList.find(at: input, ending: $0).cases }
      return found.map { ($0.identifier, $0.images) }
    }
    return images.map { path in
      var stem = String(Path.split(path).name.dropLast(ending(of: path)?.count ?? 0))
      if stem.hasSuffix("_0000"), stem.count > 5 { stem = String(stem.dropLast(5)) }
      return (stem, [path])
    }
  }
}
