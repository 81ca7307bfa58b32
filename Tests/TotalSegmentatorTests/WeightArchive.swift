import Basics
import Checkpoints
import TestSupport

@testable import TotalSegmentator

/// Archives of weights made from the small network in Examples, and a catalogue that knows them.
struct WeightArchive {
  static let model = "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres"
  static let dataset = "Dataset901_phantom"
  private static let folder = ReferenceData.repositoryFolder + "/Examples/Phantom/model/" + model
  static let files = ["dataset.json", "plans.json", "fold_0/checkpoint_final.pth"]

  /// The content of one of `files`.
  static func content(_ file: String) throws -> [UInt8] { try Path.read(Path.join(folder, file)) }

  /// Writes an archive of `Dataset901_phantom`.
  ///
  /// - Parameters:
  ///   - without: A file to be left out.
  ///   - prefix: What the names begin with.
  ///   - extra: More members.
  static func write(
    to path: String, dataset: String = dataset, without: String? = nil, prefix: String = "",
    extra: [(String, [UInt8])] = []
  ) throws {
    let zip = try ZipWriter(path: path)
    for file in files where file != without {
      try zip.add("\(prefix)\(dataset)/\(model)/\(file)", content(file), method: .deflated)
    }
    for (name, content) in extra { try zip.add(name, content) }
    try zip.commit()
  }

  /// A catalogue with the tasks `phantom` (8 classes, dataset 901) and `licensed` (the same, dataset 902).
  static func catalogueText(
    url: String, server: String = "http://127.0.0.1:1/", classes: Int = 8, sha256: String? = nil
  ) -> String {
    let names = (1...classes).map { "\"c\($0)\"" }.joined(separator: ", ")
    let digest = sha256.map { ", \"sha256\": \"\($0)\"" } ?? ""
    func task(_ dataset: Int) -> String {
      "{\"modality\": \"CT\", \"classes\": [\(names)], \"default\": {\"trainer\": \"nnUNetTrainerNoMirroring\", "
        + "\"dataset\": \(dataset)}}"
    }
    return """
      {
        "license": {"downloads": "\(server)", "page": "http://page.example/", "version": "2.18.0"},
        "datasets": {
          "901": {"folder": "\(dataset)", "url": "\(url)"\(digest)},
          "902": {"folder": "Dataset902_licensed", "licenseTask": "licensed_task"}
        },
        "tasks": {"phantom": \(task(901)), "licensed": \(task(902))}
      }
      """
  }

  static func catalogue(url: String, server: String = "http://127.0.0.1:1/", classes: Int = 8) throws -> TaskCatalogue {
    let folder = try TemporaryFolder()
    let text = catalogueText(url: url, server: server, classes: classes)
    try AtomicFile.write(Array(text.utf8), to: folder("tasks.json"))
    return try TaskCatalogue.load(extending: [folder("tasks.json")], environment: { _ in nil })
  }
}
