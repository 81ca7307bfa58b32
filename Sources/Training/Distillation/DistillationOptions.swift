import Basics
import NNUNet

/// What to distil into what, and how.
public struct DistillationOptions: Sendable {
  /// What the student's parameters are before the first step.
  public enum Beginning: String, Sendable, CaseIterable {
    /// Those of any untrained network.
    case random
    /// The channels of the first teacher that matter most to it.
    case teacher
  }

  /// The student's training; `trainer` names the variant it is based on.
  public var training: TrainingOptions
  /// Model folders; empty for that of nnU-Net's default trainer with `teacherPlans`.
  public var teacherFolders: [String] = []
  public var teacherPlans = "nnUNetPlans"
  /// Of each folder; empty for all numbered folds that have the checkpoint.
  public var teacherFolds: [String] = []
  public var teacherCheckpoint = CheckpointName.final
  /// The share of the loss that the teachers have, 0...1; 0 is ordinary training.
  public var alpha = 0.3
  public var temperature = 3.0
  public var mean = DistillationLoss.Mean.voxels
  /// Nil: as the run that is continued, or else like the teacher if it has a share of the loss and networks alike.
  public var beginning: Beginning?
  /// Guide all outputs that have a loss, and not only the finest.
  public var guidesAllLevels = false
  public var design = StudentDesign()
  /// Added to the name of the results' folder, so that several students can lie side by side.
  public var suffix: String?
  /// What the student may cost; chooses the reduction.
  public var budget: DistillationBudget?
  /// The least mean Dice in the final validation, for the report.
  public var smallestDice: Double?
  /// Whether the teachers segment the validation cases too, for the report.
  public var judgesTeachers = true

  public init(_ training: TrainingOptions) { self.training = training }

  /// Whether teachers have any part in the training.
  var needsTeachers: Bool { alpha > 0 || beginning == .teacher }

  /// The name that stands for the trainer in the results' folder: FastnnUNet's, and the suffix.
  public var trainerFolder: String { usualFolder + (suffix.map { "_\($0)" } ?? "") }

  private var usualFolder: String {
    let base = training.trainer.hasPrefix("nnUNet") ? String(training.trainer.dropFirst(6)) : training.trainer
    return "nnUNetDistillation\(base)"
  }

  /// Names under which the first stage of a cascade is looked for after the student's own: that of students without a
  /// suffix, and the trainer's.
  var firstStages: [String] { (suffix == nil ? [] : [usualFolder]) + [training.trainer] }

  /// Throws `usage` for numbers that make no sense and options that exclude each other.
  func validate() throws {
    func check(_ condition: Bool, _ message: @autoclosure () -> String, _ hint: String? = nil) throws {
      guard condition else { throw Failure(.usage, message(), hint: hint) }
    }
    try check((0...1).contains(alpha), "alpha is \(alpha); it is a share between 0 and 1")
    try check(temperature > 0 && temperature.isFinite, "the temperature is \(temperature); it must be above 0")
    try check(
      design.reduction >= 1, "the reduction factor is \(design.reduction); at least 1 is needed",
      "1 keeps the plans' widths")
    try check(
      training.batchPool == nil || training.foldRotation == nil,
      "a pool of batches and the rotation of folds exclude each other", "the pool is drawn from one fold's cases")
    try check(
      budget == nil || design.widths == nil, "a budget chooses the widths; they cannot be given as well")
    try check(
      suffix.map { !$0.isEmpty && !$0.contains("/") && !$0.contains("__") } ?? true,
      "\"\(suffix ?? "")\" cannot be part of a model folder's name")
  }
}
