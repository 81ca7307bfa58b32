import Basics
import Checkpoints

/// What the checkpoint of a distilled student says about how it was made smaller than its plans.
public struct StudentRecord: Sendable, Equatable {
  /// The divisor of all channel counts.
  public var reduction: Int
  /// What became of the numbers of residual blocks; nil when nothing is said.
  public var strategy: String?
  private let path: String

  /// Throws `badInput` when the checkpoint is that of no student.
  public static func read(folder: String, fold: String, checkpoint: String) throws -> StudentRecord {
    let foldFolder = Path.join(folder, "fold_\(fold)")
    let path = Path.join(foldFolder, checkpoint)
    let arguments = try TorchCheckpoint.open(path).root["init_args"]
    guard let reduction = arguments?["feature_reduction_factor"]?.int else {
      let what =
        Path.isFile(Path.join(foldFolder, "distillation.json"))
        ? "is a student whose stages were not narrowed by one factor"
        : "is not the checkpoint of a distilled student"
      throw Failure(
        .badInput, "\(what): it names no feature_reduction_factor", file: path,
        hint: "any model is exported with: microtome export -m \(folder) -f \(fold) -o EXPORTED")
    }
    return StudentRecord(reduction: reduction, strategy: arguments?["block_reduction_strategy"]?.string, path: path)
  }

  /// Throws `usage` unless the student was made as the user says.
  public func require(reduction: Int, strategy: String?) throws {
    guard reduction == self.reduction else {
      throw Failure(
        .usage, "the student was trained with a reduction of \(self.reduction), not \(reduction)", file: path,
        hint: "give -r \(self.reduction)")
    }
    guard let strategy, let own = self.strategy, own != strategy else { return }
    throw Failure(
      .usage, "the student's blocks were chosen with the strategy \(own), not \(strategy)", file: path,
      hint: "give -bs \(own)")
  }
}
