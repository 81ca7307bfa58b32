import Basics
import Imaging
import NNUNet
import Networks
import TestSupport
import Testing

@testable import Training

@Suite struct LoaderTests {
  /// Everything a loader gives, batch by batch.
  private func batches(
    _ task: TrainingTask, _ order: BatchOrder, workers: Int, ahead: Int, previous: PreviousSegmentations? = nil
  ) throws -> [[Float]] {
    let cases = TinyTask.cases(3)
    let loader = BatchLoader(
      training: task.preparation(.training, cases: cases, previous: previous, seed: 5),
      validation: task.preparation(.validation, cases: cases, previous: previous, seed: 5), order: order,
      ahead: ahead, workers: workers, makeBatch: { task.makeBatch() })
    defer { loader.stop() }
    return try (0..<order.count).map { _ in
      let batch = try loader.next()
      defer { loader.giveBack() }
      return Array(batch.image) + batch.labels.flatMap { $0.map(Float.init) }
    }
  }

  @Test(arguments: [false, true])
  func batchesDoNotDependOnThreads(planar: Bool) throws {
    let task = try TinyTask.task(planar: planar)
    let order = BatchOrder(trainingPerEpoch: 6, validationPerEpoch: 2, epochs: 2)
    let alone = try batches(task, order, workers: 1, ahead: 1)
    #expect(alone.count == 16)
    #expect(try batches(task, order, workers: 4, ahead: 3) == alone)
    // All of them end, however many there are.
    #expect(try batches(task, order, workers: 1500, ahead: 3) == alone)
    // No batch comes twice.
    #expect(Set(alone).count == 16)
  }

  @Test func goingOnGivesTheBatchesThatWouldHaveCome() throws {
    let task = try TinyTask.task()
    let order = BatchOrder(trainingPerEpoch: 4, validationPerEpoch: 1, epochs: 3)
    let all = try batches(task, order, workers: 2, ahead: 2)
    var rest = BatchOrder(trainingPerEpoch: 4, validationPerEpoch: 1, epochs: 2)
    (rest.trainingStart, rest.validationStart, rest.iteration) = (6, 1, 2)
    #expect(try batches(task, rest, workers: 2, ahead: 2) == Array(all[7...]))
  }

  @Test func validationIsNotAugmented() throws {
    let task = try TinyTask.task()
    let order = BatchOrder(trainingPerEpoch: 1, validationPerEpoch: 3, epochs: 1)
    let values = Set(TinyTask.cases(3).flatMap(\.image.elements) + [0])
    for batch in try batches(task, order, workers: 1, ahead: 1)[1...] {
      #expect(batch.prefix(2 * task.geometry.patch.count).allSatisfy(values.contains))
    }
  }

  /// What lies outside of an image's own content is set to 0 by the augmentation; validation sees what inference sees.
  @Test func onlyAugmentationMasks() throws {
    let text = TinyTask.plans().replacing(#""use_mask_for_norm": [false]"#, with: #""use_mask_for_norm": [true]"#)
    let task = try TrainingTask(
      plans: Plans(json: JSON(parsing: Array(text.utf8))),
      dataset: DatasetDescription(json: JSON(parsing: Array(TinyTask.dataset().utf8))), configuration: "tiny",
      variant: .named("nnUNetTrainer"))
    let cases = TinyTask.cases(2).map { data in
      var marks = data.marks
      for index in marks.elements.indices where marks.elements[index] == 0 { marks.elements[index] = -1 }
      return MemoryCase(data.identifier, image: data.image, marks: marks, record: data.properties.record)
    }
    func prepare(_ phase: SamplePreparation.Phase, finished: Bool = true) throws -> TrainingBatch {
      let batch = task.makeBatch(finished: finished)
      let preparation = task.preparation(phase, cases: cases, previous: nil, seed: 5)
      for place in 0..<2 { try preparation.prepare(place, into: batch, place: place, SampleWorkspace()) }
      return batch
    }
    func zeros(_ batch: TrainingBatch) -> Int { batch.image.count { $0 == 0 } }
    let total = 2 * task.geometry.patch.count
    #expect(zeros(try prepare(.training)) > total / 3)
    // Patches hang over the images by a voxel or two.
    #expect(zeros(try prepare(.validation)) < total / 3)
    for phase in [SamplePreparation.Phase.training, .validation] {
      for sample in try prepare(phase, finished: false).unfinished {
        #expect(sample.masksImage == (phase == .training))
      }
    }
  }

  @Test func unknownLabelsAreNotLearned() throws {
    let task = try TinyTask.task()
    let cases = TinyTask.cases(1).map { data in
      var marks = data.marks
      for index in marks.elements.indices { marks.elements[index] = 5 }
      return MemoryCase(data.identifier, image: data.image, marks: marks, record: data.properties.record)
    }
    for phase in [SamplePreparation.Phase.training, .validation] {
      let preparation = task.preparation(phase, cases: cases, previous: nil, seed: 5)
      let failure = #expect(throws: Failure.self) {
        try preparation.prepare(0, into: task.makeBatch(), place: 0, SampleWorkspace())
      }
      #expect(failure?.kind == .badInput && failure?.message.contains("case_0 holds the label 5") == true)
    }
  }

  /// One batch is at work while the next one is being copied.
  @Test func severalBatchesMayBeOut() throws {
    let task = try TinyTask.task()
    let order = BatchOrder(trainingPerEpoch: 6, validationPerEpoch: 2, epochs: 2)
    let expected = try batches(task, order, workers: 1, ahead: 1)
    let cases = TinyTask.cases(3)
    let loader = BatchLoader(
      training: task.preparation(.training, cases: cases, previous: nil, seed: 5),
      validation: task.preparation(.validation, cases: cases, previous: nil, seed: 5), order: order, ahead: 3,
      workers: 2, makeBatch: { task.makeBatch() })
    defer { loader.stop() }
    var current = try loader.next()
    for number in 0..<order.count {
      let next = number + 1 < order.count ? try loader.next() : nil
      #expect(Array(current.image) + current.labels.flatMap { $0.map(Float.init) } == expected[number])
      loader.giveBack()
      if let next { current = next }
    }
  }

  @Test func failureReachesTheTrainer() throws {
    struct Broken: PreprocessedCase {
      var whole: MemoryCase
      var identifier: String { "broken" }
      var channelCount: Int { 1 }
      var shape: Shape3D { whole.shape }
      var properties: PreprocessedProperties { whole.properties }
      func read(
        _ box: Box3D, image: UnsafeMutableBufferPointer<Float>?, labels: UnsafeMutableBufferPointer<Int16>?
      ) throws { throw Failure(.badInput, "is damaged", file: "broken.npz") }
    }
    let task = try TinyTask.task()
    let cases = [Broken(whole: TinyTask.cases(1)[0])]
    let loader = BatchLoader(
      training: task.preparation(.training, cases: cases, previous: nil, seed: 5),
      validation: task.preparation(.validation, cases: cases, previous: nil, seed: 5),
      order: BatchOrder(trainingPerEpoch: 4, validationPerEpoch: 1, epochs: 3), ahead: 2, workers: 3,
      makeBatch: { task.makeBatch() })
    #expect(throws: Failure(.badInput, "is damaged", file: "broken.npz")) { try loader.next() }
    loader.stop()
  }

  @Test func patchesThatMustContainForeground() throws {
    let data = TinyTask.cases(1)[0]
    let placement = PatchPlacement(final: Shape3D(4, 4, 4), initial: Shape3D(6, 6, 6), hasIgnoreLabel: false)
    for index in 0..<50 {
      var stream = RandomStream(seed: 1, purpose: .trainingSample, index: index)
      let forced = try placement.corner(
        in: data.shape, locations: data.properties.locations, isForced: true, &stream)
      let found = try data.properties.locations.contains { locations in
        try (0..<locations.count).contains { at in
          let voxel = try locations.voxel(at)
          return (0..<3).allSatisfy { (forced[$0]..<forced[$0] + 6).contains(voxel[$0]) }
        }
      }
      #expect(found)
      let free = try placement.corner(in: data.shape, locations: data.properties.locations, isForced: false, &stream)
      // need = 2 on each axis: from one before the image to one beyond it.
      #expect((0..<3).allSatisfy { (-1...data.shape[$0] + 1 - 6).contains(free[$0]) })
    }
  }

  @Test func cascadesSeeTheFirstStage() throws {
    let task = try TinyTask.task(extra: #", "previous_stage": "low""#)
    #expect(task.network.inputChannels == 3)
    let cases = TinyTask.cases(3)
    let previous = PreviousSegmentations(folder: "") { name in
      try StageSegmentation(tensor(of: cases.first { $0.identifier == name }!.marks))
    }
    let order = BatchOrder(trainingPerEpoch: 30, validationPerEpoch: 4, epochs: 1)
    let count = task.geometry.patch.count
    for (number, batch) in try batches(task, order, workers: 2, ahead: 2, previous: previous).enumerated() {
      for sample in 0..<2 {
        for channel in 1...2 {
          let mask = batch[(sample * 3 + channel) * count..<(sample * 3 + channel + 1) * count]
          let labels = batch[(6 + sample) * count..<(7 + sample) * count]
          #expect(mask.allSatisfy { $0 == 0 || $0 == 1 })
          if number >= 30 { #expect(zip(mask, labels).allSatisfy { ($0 == 1) == ($1 == Float(channel)) }) }
        }
      }
    }
  }
}
