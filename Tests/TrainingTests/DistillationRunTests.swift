import Basics
import Checkpoints
import Engines
import ImageFormats
import Imaging
import NNUNet
import Networks
import Synchronization
import TestSupport
import Testing

@testable import Training

/// Distillations from a preprocessed folder and tiny teachers to the report.
@Suite struct DistillationRunTests {
  private let root: TemporaryFolder
  private let roots: DatasetRoots
  private static let trainer = "nnUNetTrainerNoMirroring"

  init() throws {
    let root = try TemporaryFolder()
    self.root = root
    roots = DatasetRoots { name in ["nnUNet_preprocessed": root("pre"), "nnUNet_results": root("results")][name] }
    let dataset = root("pre/Dataset001_Tiny")
    for name in ["nnUNetPlans_tiny", "nnUNetPlans_second", "gt_segmentations"] {
      try Path.makeFolder(Path.join(dataset, name))
    }
    let plans = TinyTask.plans(extra: #", "next_stage": "second""#, more: TrainingRunTests.cascade)
    try AtomicFile.write(Array(plans.utf8), to: Path.join(dataset, "nnUNetPlans.json"))
    try AtomicFile.write(Array(TinyTask.dataset().utf8), to: Path.join(dataset, "dataset.json"))
    for data in TinyTask.cases(6, shape: Shape3D(9, 16, 12)) {
      for folder in ["nnUNetPlans_tiny", "nnUNetPlans_second"] {
        try TrainingRunTests.write(data, to: Path.join(Path.join(dataset, folder), data.identifier))
      }
      let labels = LabelMap.uint8(Volume(shape: data.shape, elements: data.marks.elements.map { UInt8($0) }))
      try ImageReader.simpleITK.write(
        labels, as: Path.join(dataset, "gt_segmentations/\(data.identifier).nii.gz"), like: TrainingRunTests.geometry)
    }
    for fold in 0..<2 { try writeTeacher(root("teacher"), fold: fold) }
  }

  /// A model folder of untrained networks.
  private func writeTeacher(
    _ folder: String, fold: Int, dataset: String = TinyTask.dataset(), plans: String = TinyTask.plans(),
    configuration: String = "tiny"
  ) throws {
    let task = try TrainingTask(
      plans: Plans(json: JSON(parsing: Array(plans.utf8))),
      dataset: DatasetDescription(json: JSON(parsing: Array(dataset.utf8))), configuration: configuration,
      variant: .named(Self.trainer))
    try Path.makeFolder(Path.join(folder, "fold_\(fold)"))
    if !Path.exists(Path.join(folder, "plans.json")) {
      try AtomicFile.write(Array(plans.utf8), to: Path.join(folder, "plans.json"))
    }
    try AtomicFile.write(Array(dataset.utf8), to: Path.join(folder, "dataset.json"))
    let checkpoint = TrainingCheckpoint(
      parameters: try ParameterInitialization.parameters(of: task.graph, seed: UInt64(fold)),
      optimizer: OptimizerState(),
      history: TrainingHistory(), bestDice: nil, epoch: 1, position: nil, trainerName: Self.trainer, mirrorAxes: nil)
    try checkpoint.write(
      to: Path.join(folder, "fold_\(fold)/\(CheckpointName.final)"), graph: task.graph,
      origin: TrainingCheckpoint.Origin(
        plans: task.plans.json, dataset: task.dataset.json, configuration: configuration, fold: "\(fold)",
        rule: GradientDescent(rate: 0.01), normFollowsActivation: false), rate: 0.01)
  }

  private func options(_ configuration: String = "tiny") -> DistillationOptions {
    var training = TrainingOptions(dataset: "1", configuration: configuration, fold: "0")
    (training.epochs, training.iterationsPerEpoch, training.validationIterations) = (1, 2, 1)
    training.seed = 3
    training.trainer = Self.trainer
    var options = DistillationOptions(training)
    options.teacherFolders = [root("teacher")]
    return options
  }

  private func prepare(_ options: DistillationOptions) throws -> DistillationRun {
    try DistillationRun(options, roots: roots, engine: { ReferenceEngine() })
  }

  @discardableResult
  private func run(_ options: DistillationOptions) throws -> DistillationReport {
    var run = try prepare(options)
    return try run.run(
      trainingEngine: { ReferenceEngine() }, inferenceEngine: { ReferenceEngine() }, report: { _ in })
  }

  private func failure(_ change: (inout DistillationOptions) throws -> Void) rethrows -> Failure? {
    var options = options()
    try change(&options)
    return #expect(throws: Failure.self) { try prepare(options) }
  }

  private func model(_ suffix: String = "", _ configuration: String = "tiny") -> String {
    root("results/Dataset001_Tiny/nnUNetDistillationTrainerNoMirroring\(suffix)__nnUNetPlans__\(configuration)")
  }

  @Test func studentIsAnOrdinaryModel() throws {
    var options = options()
    options.design.reduction = 4
    options.smallestDice = 0.99
    options.budget = DistillationBudget(1, .memory)
    let report = try run(options)
    #expect(report.cases == 2 && report.labels == ["a", "b"] && report.student.dice.count == 2)
    let teachers = try #require(report.teachers)
    #expect(report.student.parameters < teachers.parameters)
    #expect(report.student.gigaflopPerCase < teachers.gigaflopPerCase)
    #expect(report.meetsDice == false && report.meetsBudget == true)
    #expect(report.lines.contains { $0.contains("MISSED") })
    // Fold 1 may know the cases that fold 0 is judged by.
    #expect(report.remarks.contains { $0.contains("teacher fold 1") })
    let written = try JSON.read(model() + "/fold_0/distillation_report.json")
    #expect(written["student"]?["mean_dice"]?.double == report.student.meanDice)
    #expect(Path.isFile(model() + "/fold_0/validation_teacher/summary.json"))

    let student = try TrainedModel.load(folder: model(), folds: ["0"], checkpoint: CheckpointName.final)
    #expect(student.trainerName == Self.trainer)
    #expect(student.networks[0].graph.parameterCount == report.student.parameters)
  }

  /// What FastnnUNet's exporters ask a checkpoint for, and that nothing is narrowed twice by it.
  @Test func checkpointsSayHowStudentsWereMade() throws {
    var options = options()
    options.judgesTeachers = false
    options.design.reduction = 4
    try run(options)
    let record = try StudentRecord.read(folder: model(), fold: "0", checkpoint: CheckpointName.final)
    #expect(record.reduction == 4 && record.strategy == "keep")
    let arguments = try TorchCheckpoint.open(model() + "/fold_0/checkpoint_final.pth").root["init_args"]
    #expect(arguments?["alpha"]?.double == 0.3 && arguments?["configuration"]?.string == "tiny")
    #expect(arguments?["teacher_model_folder"]?.string == root("teacher"))
    let student = try TrainedModel.load(folder: model(), folds: ["0"], checkpoint: CheckpointName.final)
    let files = try NetworkExport().run(student, to: root("exported"), stem: "student", isExactName: true)
    #expect(files.map(\.path) == [root("exported/student.onnx")])

    options.design.widths = [4, 6, 8]
    options.suffix = "chosen"
    try run(options)
    let refusal = #expect(throws: Failure.self) {
      try StudentRecord.read(folder: model("_chosen"), fold: "0", checkpoint: CheckpointName.final)
    }
    #expect(refusal?.message.contains("not narrowed by one factor") == true)
    #expect(refusal?.hint?.contains("microtome export") == true)
  }

  /// Seconds differ from time to time; a run goes on with the student that it has.
  @Test func budgetsAreMeasuredOnce() throws {
    var options = options()
    options.judgesTeachers = false
    options.budget = DistillationBudget(1e9, .seconds)
    #expect(try run(options).meetsBudget == true)
    options.training.continues = true
    options.budget = DistillationBudget(1e-9, .seconds)
    var again = try DistillationRun(
      options, roots: roots, engine: { throw Failure(.internalError, "was measured again") })
    #expect(again.options.design.reduction == 1 && again.options.design.widths == nil)
    let report = try again.run(
      trainingEngine: { ReferenceEngine() }, inferenceEngine: { ReferenceEngine() }, report: { _ in })
    #expect(report.meetsBudget == false)
  }

  @Test func studentBeginsAsPartOfTheTeacher() throws {
    var options = options()
    options.beginning = .teacher
    options.alpha = 0
    options.judgesTeachers = false
    options.design.reduction = 1
    var whole = try prepare(options)
    _ = try whole.run(
      trainingEngine: { ReferenceEngine() }, inferenceEngine: { ReferenceEngine() }, report: { _ in })
    let teacher = try #require(whole.teachers?.networks.first)
    let inherited = try whole.training.inherited()
    #expect(!teacher.weights.isEmpty && Set(inherited.keys) == Set(teacher.weights.keys))
    for (name, tensor) in teacher.weights { #expect(inherited[name]?.floats() == tensor.floats()) }
    #expect(try failure { ($0.alpha, $0.design.reduction) = (0, 1) }?.message.contains("init \"teacher\"") == true)
    options.design.reduction = 4
    options.suffix = "narrow"
    try run(options)
    // "Go on, if there is something to go on with" begins in the same way.
    options.training.continues = true
    options.suffix = "again"
    try run(options)
    let ends = try ["_narrow", "_again"].map { suffix in
      try TorchCheckpoint.open(model(suffix) + "/fold_0/checkpoint_final.pth").networkWeights
    }
    for name in ends[0].names { #expect(ends[1][name]?.floats() == ends[0][name]?.floats(), "\(name)") }
    options.suffix = "narrow"
    // A run that is continued began as it began; without a wish, a student of like form begins as the teacher.
    options.beginning = nil
    options.training.continues = true
    #expect(try prepare(options).options.beginning == .teacher)
    options.training.continues = false
    options.suffix = "free"
    #expect(try prepare(options).options.beginning == .random)
    options.alpha = 0.5
    #expect(try prepare(options).options.beginning == .teacher)
    // A teacher cannot leave more channels than it has.
    options.design.widths = [8, 8, 16]
    #expect(try prepare(options).options.beginning == .random)
    options.beginning = .teacher
    options.suffix = "wide"
    let refusal = #expect(throws: Failure.self) { try run(options) }
    #expect(refusal?.kind == .usage && !Path.exists(model("_wide") + "/fold_0/checkpoint_final.pth"))
  }

  @Test func otherParametersNeverOverwrite() throws {
    try run(options())
    var before = try Path.read(model() + "/fold_0/checkpoint_final.pth")
    #expect(try failure { $0.alpha = 0.5 }?.message.contains("alpha 0.3, not 0.5") == true)
    #expect(try failure { $0.temperature = 1 }?.hint?.contains("--suffix") == true)
    #expect(try failure { $0.teacherFolds = ["1"] }?.kind == .usage)
    #expect(try failure { $0.design.widths = [4, 8, 12] }?.message.contains("features_per_stage") == true)
    // Another fold has plans in common with this one, and nothing else.
    #expect(
      try failure {
        $0.training.fold = "1"
        $0.design.widths = [4, 8, 12]
      }?.message.contains("features_per_stage") == true)
    var other = options()
    other.training.fold = "1"
    other.alpha = 0.5
    _ = try prepare(other)
    #expect(try Path.read(model() + "/fold_0/checkpoint_final.pth") == before)
    // The same parameters do, after a warning in the words of the command.
    other = options()
    (other.judgesTeachers, other.training.continuingOption) = (false, "-c_continue")
    let warnings = Mutex([String]())
    var repeated = try prepare(other)
    _ = try repeated.run(
      trainingEngine: { ReferenceEngine() }, inferenceEngine: { ReferenceEngine() },
      report: { event in
        guard case .warning(let text) = event else { return }
        warnings.withLock { $0.append(text) }
      })
    #expect(warnings.withLock(\.self).contains { $0.contains("; -c_continue would go on with it") })
    before = try Path.read(model() + "/fold_0/checkpoint_final.pth")
    other = options()
    other.suffix = "hot"
    other.temperature = 9
    other.judgesTeachers = false
    #expect(try run(other).teachers == nil)
    #expect(Path.isFile(model("_hot") + "/fold_0/checkpoint_final.pth"))
    // A finished run that is continued is only validated.
    other = options()
    other.training.continues = true
    other.judgesTeachers = false
    try run(other)
    #expect(try Path.read(model() + "/fold_0/checkpoint_final.pth") == before)
  }

  @Test func teachersMustFit() throws {
    #expect(try failure { $0.teacherFolders = [root("nowhere")] }?.kind == .missingInput)
    #expect(try failure { $0.teacherCheckpoint = "checkpoint_best.pth" }?.kind == .missingInput)
    #expect(try failure { $0.teacherFolds = ["0", "3"] }?.hint?.contains("0, 1") == true)
    var repeated = options()
    repeated.teacherFolds = ["1", "0", "1"]
    #expect(try prepare(repeated).teachers?.models.map(\.folds) == [["1", "0"]])
    let labels = #"{"background": 0, "a": 1, "c": 2}"#
    try writeTeacher(root("labels"), fold: 0, dataset: TinyTask.dataset(labels))
    #expect(try failure { $0.teacherFolders = [root("labels")] }?.message.contains("labels") == true)
    let channels = TinyTask.dataset().replacing(#"{"0": "MR"}"#, with: #"{"0": "CT"}"#)
    try writeTeacher(root("channels"), fold: 0, dataset: channels)
    #expect(try failure { $0.teacherFolders = [root("channels")] }?.message.contains("channels are CT") == true)
    let coarse = TinyTask.plans().replacing(#""spacing": [1, 1, 1]"#, with: #""spacing": [2, 1, 1]"#)
    try writeTeacher(root("coarse"), fold: 0, plans: coarse)
    #expect(try failure { $0.teacherFolders = [root("coarse")] }?.message.contains("spacing") == true)
    // Fold 1 was trained on another grid than the plans beside it say.
    try writeTeacher(root("mixed"), fold: 0)
    try writeTeacher(root("mixed"), fold: 1, plans: coarse)
    let mixed = try failure { $0.teacherFolders = [root("mixed")] }
    #expect(mixed?.message.contains("fold 1") == true && mixed?.message.contains("\"spacing\"") == true)
    #expect(mixed?.file?.hasSuffix("fold_1/checkpoint_final.pth") == true)
  }

  @Test func senselessNumbers() throws {
    #expect(try failure { $0.alpha = 1.5 }?.kind == .usage)
    #expect(try failure { $0.temperature = 0 }?.kind == .usage)
    #expect(try failure { $0.design.reduction = 0 }?.kind == .usage)
    #expect(try failure { $0.suffix = "a/b" }?.kind == .usage)
    let budget = try failure { $0.budget = DistillationBudget(1e-9, .operations) }
    #expect(budget?.message.contains("no student") == true)
    // A plain network has no residual blocks to be fewer of.
    #expect(budget?.hint?.contains("--blocks") == true && budget?.hint?.contains("-bs") == false)
    #expect(try failure { ($0.training.batchPool, $0.training.foldRotation) = (2, 2) }?.kind == .usage)
  }

  /// Without a say for the teachers it is ordinary training, to the last bit.
  @Test func noTeacherIsOrdinaryTraining() throws {
    var options = options()
    options.teacherFolders = []
    (options.alpha, options.design.reduction) = (0, 1)
    try run(options)
    _ = try TrainingRun(options.training, roots: roots).run(
      trainingEngine: { ReferenceEngine() }, inferenceEngine: { ReferenceEngine() }, report: { _ in })
    let ordinary = root("results/Dataset001_Tiny/\(Self.trainer)__nnUNetPlans__tiny")
    let left = try TorchCheckpoint.open(model() + "/fold_0/checkpoint_final.pth").networkWeights.tensors
    let right = try TorchCheckpoint.open(ordinary + "/fold_0/checkpoint_final.pth").networkWeights.tensors
    #expect(left.count == right.count)
    for (name, tensor) in left { #expect(right[name]?.floats() == tensor.floats()) }
    #expect(try JSON.read(model() + "/plans.json") == JSON.read(ordinary + "/plans.json"))
  }

  /// Folds change with the epochs; the pool comes again, and its answers are found.
  @Test func rotationAndPool() throws {
    var options = options()
    (options.training.epochs, options.training.foldRotation) = (3, 1)
    options.suffix = "turning"
    options.judgesTeachers = false
    #expect(try run(options).remarks.contains { $0.contains("rotated") })

    (options.training.foldRotation, options.training.batchPool) = (nil, 3)
    options.suffix = "pool"
    try run(options)
    let answers = root("results/Dataset001_Tiny/teacher_answers")
    let folder = Path.join(answers, try #require(try Path.list(answers).first))
    #expect(try Path.list(folder).count == 3)
  }

  // MARK: Cascades

  private static let cascade = TinyTask.plans(extra: #", "next_stage": "second""#, more: TrainingRunTests.cascade)

  /// What a validated first stage leaves for the second.
  private func writeFirstStage(_ model: String) throws {
    let folder = NextStage.folder(modelFolder: model, configuration: "second")
    try Path.makeFolder(folder)
    for data in TinyTask.cases(6, shape: Shape3D(9, 16, 12)) {
      let labels = LabelMap.uint8(Volume(shape: data.shape, elements: data.marks.elements.map { UInt8($0) }))
      try NextStage.write(labels, to: Path.join(folder, data.identifier + ".npz"))
    }
  }

  @Test func cascadesAreDistilled() throws {
    let missing = try failure { $0.training.configuration = "second" }
    #expect(missing?.kind == .missingInput && missing?.hint?.contains("Distillation") == true)
    try writeFirstStage(root("results/Dataset001_Tiny/\(Self.trainer)__nnUNetPlans__tiny"))
    // A teacher that takes the image alone cannot answer.
    let alone = try failure { $0.training.configuration = "second" }
    #expect(alone?.message.contains("takes 1 channel(s), the student's 3") == true)
    try writeTeacher(root("second"), fold: 0, plans: Self.cascade, configuration: "second")
    var options = options("second")
    options.teacherFolders = []
    options.alpha = 0
    options.design.widths = [4, 4, 4]
    options.suffix = "alone"
    #expect(try run(options).cases == 2)
    options.suffix = nil
    options.teacherFolders = [root("second")]
    (options.alpha, options.beginning) = (0.5, .teacher)
    let report = try run(options)
    #expect(report.teachers?.dice.count == 2)
    for suffix in ["", "_alone"] {
      let weights = try TorchCheckpoint.open(model(suffix, "second") + "/fold_0/checkpoint_final.pth").networkWeights
      #expect(weights["encoder.stages.0.0.convs.0.conv.weight"]?.shape == [4, 3, 3, 3, 3])
    }
  }

  /// Wherever the first stage lies that a student was trained with, prediction runs that one.
  @Test func studentsPredictAsCascades() throws {
    try writeTeacher(root("second"), fold: 0, plans: Self.cascade, configuration: "second")
    var options = options("second")
    options.teacherFolders = [root("second")]
    options.judgesTeachers = false
    let ordinary = "\(Self.trainer)__nnUNetPlans__tiny"
    try writeFirstStage(root("results/Dataset001_Tiny/\(ordinary)"))
    try run(options)
    let plans = try JSON.read(model("", "second") + "/plans.json")
    #expect(plans["configurations"]?["second"]?["previous_stage_model"]?.string == ordinary)
    // A distilled first stage is preferred. Folds of one model share theirs, so it needs a model of its own.
    var first = self.options()
    first.judgesTeachers = false
    try run(first)
    try writeFirstStage(model())
    options.training.fold = "1"
    let other = #expect(throws: Failure.self) { try prepare(options) }
    #expect(other?.message.contains("previous_stage_model") == true)
    (options.training.fold, options.suffix) = ("0", "small")
    try run(options)

    let input = root("images")
    try Path.makeFolder(input)
    let scan = TinyTask.cases(1, shape: Shape3D(9, 16, 12))[0]
    try ImageReader.simpleITK.write(
      .uint8(Volume(shape: scan.shape, elements: scan.marks.elements.map { UInt8($0) })),
      as: Path.join(input, "new_0000.nii.gz"), like: TrainingRunTests.geometry)
    let job = PredictionJob(
      input: input, outputFolder: root("out"), modelFolder: model("_small", "second"), folds: ["0"],
      checkpoint: CheckpointName.final, options: PredictionOptions())
    let opened = try job.open()
    #expect(opened.previous.map(\.job.modelFolder) == [model()])
    #expect(try opened.run(on: ReferenceEngine(), report: { _ in }).failures.isEmpty)
    #expect(Path.isFile(root("out/new.nii.gz")) && Path.isFile(root("out/tiny_predictions/new.nii.gz")))
  }
}
