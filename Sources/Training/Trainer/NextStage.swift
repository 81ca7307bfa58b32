import Basics
import Checkpoints
import Imaging

/// What the first stage of a cascade leaves for the second: `predicted_next_stage/CONFIGURATION/CASE.npz`, one array
/// `seg` (Z, Y, X) on the second stage's grid; or nnU-Net's `CASE.b2nd`, which is that array.
enum NextStage {
  /// - Parameter modelFolder: of the first stage and one fold, or of all folds.
  static func folder(modelFolder: String, configuration: String) -> String {
    Path.join(Path.join(modelFolder, "predicted_next_stage"), configuration)
  }

  /// Throws `cannotWrite`.
  static func write(_ labels: LabelMap, to path: String) throws {
    let writer = try NPZWriter(path: path)
    switch labels {
    case .uint8(let volume):
      try volume.elements.withUnsafeBytes { try writer.store("seg", $0, type: .uint8, shape: volume.shape.axes) }
    case .uint16(let volume):
      try volume.elements.withUnsafeBytes { try writer.store("seg", $0, type: .uint16, shape: volume.shape.axes) }
    }
    try writer.commit()
  }

  /// The file of a case: this program's `.npz` or nnU-Net's `.b2nd`, the newer one of both; nil where there is none.
  static func file(folder: String, identifier: String) -> String? {
    let stem = Path.join(folder, identifier)
    return [stem + ".npz", stem + ".b2nd"].filter(Path.isFile)
      .max { Path.modificationTime($0) ?? 0 < Path.modificationTime($1) ?? 0 }
  }

  /// Opens what this program or nnU-Net has written. Throws `missingInput` and `badInput`.
  static func open(folder: String, identifier: String) throws -> StageSegmentation {
    guard let path = file(folder: folder, identifier: identifier) else {
      throw Failure(
        .missingInput, "the previous stage has left no segmentation of \(identifier)",
        file: Path.join(folder, identifier + ".npz"),
        hint: "train and validate all folds of the previous stage with the same trainer and plans first")
    }
    return try StageSegmentation(path: path)
  }
}
