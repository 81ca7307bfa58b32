import Basics
import Checkpoints
import Imaging

/// What the first stage of a cascade leaves for the second: `predicted_next_stage/CONFIGURATION/CASE.npz`, one array
/// `seg` (Z, Y, X) on the second stage's grid.
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

  /// Reads what this program or nnU-Net has written. Throws `missingInput` and `badInput`.
  static func read(folder: String, identifier: String) throws -> Volume<Int16> {
    let path = Path.join(folder, identifier + ".npz")
    guard Path.isFile(path) else {
      let isBlosc = Path.isFile(Path.join(folder, identifier + ".b2nd"))
      throw Failure(
        .missingInput, "the previous stage has left no segmentation of \(identifier)", file: path,
        hint: isBlosc
          ? "there is one in nnU-Net's .b2nd format; repeat the previous stage's validation: microtome train ... --val"
          : "train and validate all folds of the previous stage with the same trainer and plans first")
    }
    return try locating(path) {
      let tensor = try NPZFile(path: path).tensor(named: "seg")
      // A channel axis of length 1 does no harm.
      let shape = tensor.shape.count == 4 && tensor.shape[0] == 1 ? Array(tensor.shape[1...]) : tensor.shape
      guard shape.count == 3 else { throw Failure(.badInput, "\"seg\" has the shape \(tensor.shape), not (Z, Y, X)") }
      return Volume(
        shape: Shape3D(shape[0], shape[1], shape[2]), elements: try tensor.integers().map { Int16(clamping: $0) })
    }
  }
}
