import Basics
import Checkpoints
import Foundation
import Imaging
import NNUNet
import Networks
import TestSupport
import Testing

@testable import Engines
@testable import Training

/// What devices with memory of their own do, against our own code: PyTorch's operators only, on the processor and, where
/// there is one, on a graphics processor.
@Suite(.enabled(if: InstalledTorch.engine != nil, InstalledTorch.absence)) struct DeviceStepTests {
  static let devices = ["CPU"] + [InstalledTorch.graphicsProcessor].compactMap(\.self)

  private func network(_ task: TrainingTask, on device: String) throws -> any DeviceTrainableNetwork {
    var engine = try InstalledTorch.require()
    engine.usesOwnKernels = false
    let parameters = try ParameterInitialization.parameters(of: task.graph, seed: 11)
    let options = CompileOptions(device: device, precision: .fp32)
    let network = try engine.makeTrainable(task.graph, parameters: parameters, options: options)
    return try #require(network as? any DeviceTrainableNetwork)
  }

  /// - Parameter changes: texts of the plans and of the dataset's description, and what stands there instead.
  private func task(
    trainer: String = "nnUNetTrainer", planar: Bool = false, changes: [String: String] = [:]
  ) throws -> TrainingTask {
    var (plans, dataset) = (TinyTask.plans(planar: planar), TinyTask.dataset())
    for (old, new) in changes {
      plans = plans.replacingOccurrences(of: old, with: new)
      dataset = dataset.replacingOccurrences(of: old, with: new)
    }
    return try TrainingTask(
      plans: Plans(json: JSON(parsing: Array(plans.utf8))),
      dataset: DatasetDescription(json: JSON(parsing: Array(dataset.utf8))),
      configuration: "tiny", variant: .named(trainer))
  }

  private static let flat = ["[8, 16, 12]": "[4, 16, 12]"]
  private static let masked = [#""use_mask_for_norm": [false]"#: #""use_mask_for_norm": [true]"#]
  /// Only one of them is masked.
  private static let twoChannels = [
    #"{"0": "MR"}"#: #"{"0": "T1", "1": "T2"}"#,
    #"["ZScoreNormalization"]"#: #"["ZScoreNormalization", "ZScoreNormalization"]"#,
    #""use_mask_for_norm": [false]"#: #""use_mask_for_norm": [true, false]"#,
  ]

  enum Patch: CaseIterable { case solid, flat, planar, masked, nearest, twoChannels }

  private func task(_ patch: Patch) throws -> TrainingTask {
    switch patch {
    case .solid: try task()
    case .flat: try task(changes: Self.flat)
    case .planar: try task(planar: true)
    case .masked: try task(changes: Self.masked)
    case .nearest: try task(trainer: "nnUNetTrainer_DASegOrd0")
    case .twoChannels: try task(changes: Self.twoChannels)
    }
  }

  /// The second channel is the first one upside down, in a narrower range.
  private func cases(channels: Int) -> [MemoryCase] {
    TinyTask.cases(3).map { data in
      guard channels == 2 else { return data }
      let elements = data.image.elements + data.image.elements.reversed().map { 0.5 - 0.3 * $0 }
      return MemoryCase(
        data.identifier, image: Volume(channels: 2, shape: data.shape, elements: elements), marks: data.marks,
        record: data.properties.record)
    }
  }

  /// The same samples, finished here and there.
  @Test(arguments: Patch.allCases, devices) func samplesAreTheSame(patch: Patch, device: String) throws {
    let task = try task(patch)
    let channels = task.dataset.channelCount
    let preparation = task.preparation(.training, cases: cases(channels: channels), previous: nil, seed: 5)
    let math = try network(task, on: device).math
    let augmentation = DeviceAugmentation(task, math)
    let (finished, unfinished) = (task.makeBatch(), task.makeBatch(finished: false))
    let workspace = SampleWorkspace()
    var kinds: Set<String> = []
    var (turned, mirrored, different, total) = (0, 0, 0, 0)
    for batch in 0..<40 {
      for place in 0..<2 {
        try preparation.prepare(2 * batch + place, into: finished, place: place, workspace)
        try preparation.prepare(2 * batch + place, into: unfinished, place: place, workspace)
        for step in unfinished.unfinished[place].steps { kinds.insert("\(step)".prefix { $0 != "(" }.description) }
        if unfinished.unfinished[place].rows != nil { turned += 1 }
        if unfinished.unfinished[place].mirrored.contains(true) { mirrored += 1 }
      }
      let (image, labels) = try augmentation.finish(unfinished)
      // Logarithms, powers and sums in single precision; values are at most 3.
      #expect(distance(try math.values(of: [image])[0], Array(finished.image)) < 5e-5, "batch \(batch)")
      let marks = try math.values(of: [labels])[0]
      different += zip(marks, finished.labels[0]).count { $0 != Float($1) }
      total += marks.count
    }
    #expect(kinds == ["noise", "blur", "brightness", "contrast", "lowResolution", "gamma"])
    #expect(turned > 10 && mirrored > 20)
    // Where two labels share a voxel evenly, the last bit of a coordinate decides.
    #expect(different <= total / 10_000, "\(different) of \(total) labels differ")
  }

  enum Loss: CaseIterable { case classes, ignored, regions, ignoredRegions, smoothed, entropyOnly, diceOnly, batchDice }

  private func rule(_ loss: Loss) -> SegmentationLoss {
    let table = RegionTable(regions: [[1, 2], [2]], labelCount: 4)
    let isRegions = loss == .regions || loss == .ignoredRegions
    var rule = SegmentationLoss(
      meaning: isRegions ? .regions(table) : .classes(3),
      ignore: loss == .ignored || loss == .ignoredRegions ? 3 : nil, batchDice: loss == .batchDice)
    if loss == .smoothed { rule.labelSmoothing = 0.1 }
    if loss == .entropyOnly { rule.usesDice = false }
    if loss == .diceOnly { rule.entropy = .none }
    return rule
  }

  /// Losses, gradients and overlaps of two outputs.
  @Test(arguments: Loss.allCases, devices) func lossesAreTheSame(loss: Loss, device: String) throws {
    let rule = rule(loss)
    let math = try network(try task(), on: device).math
    let channels = rule.meaning.channelCount
    var generator = SeededGenerator(seed: 3)
    let (shapes, weights, scale) = ([Shape3D(4, 6, 5), Shape3D(2, 3, 5)], [0.7, 0.3], 8.0)
    var (logits, labels) = ([[Float]](), [[Int16]]())
    for shape in shapes {
      logits.append((0..<2 * channels * shape.count).map { _ in Float.random(in: -4...4, using: &generator) })
      labels.append((0..<2 * shape.count).map { _ in Int16.random(in: 0...3, using: &generator) })
    }
    let truths = try zip(labels, shapes).map {
      try DeviceTruth(math, math.labels($0, [2, 1] + $1.axes), rule.meaning, ignore: rule.ignore)
    }
    let result = try DeviceLoss(math: math, rule: rule).evaluate(
      logits: zip(logits, shapes).map { try math.array($0, [2, channels] + $1.axes) }, truths: truths,
      weights: weights, scale: scale, differentiates: true)
    var expected = 0.0
    for level in shapes.indices {
      var gradient = [Float](repeating: 0, count: logits[level].count)
      expected +=
        weights[level]
        * rule.evaluate(
          logits: logits[level], labels: labels[level], batch: 2, voxels: shapes[level].count,
          weight: weights[level] * scale, gradient: &gradient)
      let found = try math.values(of: [result.gradients[level]])[0]
      #expect(distance(found, gradient) < 1e-5 * (gradient.map(abs).max() ?? 1))
    }
    #expect(abs(result.loss - expected) < 1e-5 * max(1, abs(expected)))

    var (counts, others) = (OverlapCounts(rule.meaning), OverlapCounts(rule.meaning))
    counts.add(
      try truths[0].overlaps(math, of: math.array(logits[0], [2, channels] + shapes[0].axes), rule.meaning))
    others.add(logits: logits[0], labels: labels[0], batch: 2, voxels: shapes[0].count, ignore: rule.ignore)
    #expect(counts == others)
  }

  /// Two epochs end with the same losses, Dice and parameters.
  @Test(arguments: [false, true], devices) func trainingIsTheSame(planar: Bool, device: String) throws {
    var histories: [TrainingHistory] = []
    var parameters: [[String: [Float]]] = []
    for finishesOnDevice in [false, true] {
      let folder = try TemporaryFolder()
      let task = try task(planar: planar)
      let network = try network(task, on: finishesOnDevice ? device : "CPU")
      var length = TrainingLength(epochs: 2)
      (length.iterationsPerEpoch, length.validationIterations) = (4, 2)
      let trainer = try Trainer(
        task: task, length: length, network: network, folder: folder.path, fold: "0", checkpoint: nil, seed: 11
      ) { _ in }
      trainer.finishesOnDevice = finishesOnDevice
      let cases = TinyTask.cases(3)
      try trainer.run(training: Array(cases[..<2]), validation: [cases[2]], previous: nil, workers: 2)
      histories.append(trainer.history)
      parameters.append(try network.parameters().mapValues { $0.floats() })
    }
    // Eight steps at a rate of 0.01 amplify differences of rounding. Graphics processors round the factors of
    // convolutions to ten bits.
    let tolerance: Float = device == "CPU" ? 1e-3 : 5e-2
    for (one, other) in [
      (histories[0].trainingLosses, histories[1].trainingLosses),
      (histories[0].validationLosses, histories[1].validationLosses),
    ] { #expect(distance(one.map(Float.init), other.map(Float.init)) < tolerance) }
    for (name, values) in parameters[0] {
      #expect(distance(values, try #require(parameters[1][name])) < tolerance, "\(name)")
    }
  }

  /// The strong augmentation and the largest cross-entropies are left to the processor.
  @Test func someTrainersStayOnTheProcessor() throws {
    let plain = try task()
    #expect(DeviceStep(plain, try network(plain, on: "CPU")) == nil)
    #expect(DeviceStep(plain, try network(plain, on: "CPU"), anywhere: true) != nil)
    for name in ["nnUNetTrainerDA5", "nnUNetTrainerTopk10Loss"] {
      let task = try task(trainer: name)
      #expect(DeviceStep(task, try network(task, on: "CPU"), anywhere: true) == nil)
    }
  }
}
