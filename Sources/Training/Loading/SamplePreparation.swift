import Basics
import CKernels
import Imaging
import NNUNet

/// Makes samples: picks a case and a place in it, crops, augments, and writes the result into a batch.
///
/// What becomes of a sample depends on its number alone.
public struct SamplePreparation: Sendable {
  /// Where the samples are for.
  public enum Phase: Sendable, Equatable { case training, validation }

  let phase: Phase
  let cases: [any PreprocessedCase]
  let previous: PreviousSegmentations?
  let geometry: AugmentationGeometry
  let sampling: ForegroundSampling
  let batchSize: Int
  let imageChannels: Int
  /// The foreground labels of a cascade's first stage, in the order of their channels; empty without a cascade.
  let previousLabels: [Int]
  /// Channels that are 0 outside of what was not zero in the image, where there is augmentation: it belongs to that.
  let maskedChannels: [Bool]
  let variant: TrainerVariant
  let hasIgnoreLabel: Bool
  /// The largest label of the dataset, the one to be ignored included.
  let highestLabel: Int16
  let seed: UInt64

  private var augments: Bool { phase == .training && variant.augments }

  /// A sample before anything has been read: which part of which case, and how the patch lies in it.
  private struct Draft {
    let data: any PreprocessedCase
    /// In the case's voxels.
    let box: Box3D
    /// Where in the box the patch's voxels lie; nil where the box is the patch.
    let rows: SpatialTransform.Rows?
  }

  /// Draws the first part of what is left to chance in sample `index` of all samples ever.
  private func draft(_ index: Int, place: Int) throws -> (Draft, RandomStream) {
    let purpose: RandomStream.Purpose = phase == .training ? .trainingSample : .validationSample
    var stream = RandomStream(seed: seed, purpose: purpose, index: index)
    let data = cases[stream.integer(0, cases.count - 1)]
    let isForced = sampling.isForced(place, of: batchSize, &stream)
    let patch = geometry.patch
    let initial = augments ? geometry.initialPatch : patch
    let placement = PatchPlacement(final: patch, initial: initial, hasIgnoreLabel: hasIgnoreLabel)
    let corner = try placement.corner(
      in: data.shape, locations: data.properties.locations, isForced: isForced, &stream)
    let transform = augments ? geometry.drawTransform(&stream) : nil
    let part =
      transform?.support(from: initial, to: patch) ?? Box3D(lower: centre(initial, patch), shape: patch)
    let rows = transform?.rows(from: initial, to: patch, box: part)
    return (Draft(data: data, box: part.moved(by: corner), rows: rows), stream)
  }

  /// Throws `badInput` for labels that the dataset does not have, which would be learned as background.
  private func check(_ labels: UnsafePointer<Int16>, count: Int, of data: any PreprocessedCase) throws {
    let highest = mt_largest_label(labels, count)
    guard highest > highestLabel else { return }
    throw Failure(
      .badInput,
      "the segmentation of \(data.identifier) holds the label \(highest); dataset.json knows 0 to \(highestLabel)",
      hint: "plan-and-preprocess --verify_dataset_integrity lists what is wrong with a dataset")
  }

  private func drawMirroring(_ stream: inout RandomStream) -> [Bool] {
    var mirrored = [false, false, false]
    if augments { for axis in geometry.mirrorAxes { mirrored[axis] = stream.chance(0.5) } }
    return mirrored
  }

  /// Makes sample `index` of all samples ever.
  ///
  /// - Parameters:
  ///   - place: which sample of `batch` it becomes.
  ///   - workspace: the calling thread's.
  /// - Throws: what reading throws.
  func prepare(_ index: Int, into batch: TrainingBatch, place: Int, _ workspace: SampleWorkspace) throws {
    var (draft, stream) = try draft(index, place: place)
    let unfinished = batch.unfinished.isEmpty ? nil : batch.unfinished[place]
    var sample = unfinished?.cut ?? workspace.source
    try workspace.fill(sample, with: draft.data, draft.box, channels: imageChannels, previous: previous)
    try check(sample.labels(draft.box.shape.count), count: draft.box.shape.count, of: draft.data)
    if let unfinished { return leave(draft, to: unfinished, &stream) }
    if let rows = draft.rows {
      sample = workspace.turned
      turn(workspace, draft.box.shape, rows)
    }
    let permutation = augments ? geometry.drawPermutation(&stream) : AxisPermutation()
    if !permutation.isIdentity {
      let other = draft.rows == nil ? workspace.turned : workspace.source
      exchange(permutation, sample, to: other)
      sample = other
    }
    if augments { changeIntensities(sample, workspace, &stream) }
    let mirrored = drawMirroring(&stream)
    write(sample, to: batch, place: place, mirrored: mirrored, workspace, &stream)
  }

  /// Says what is to be done to what was cut, drawn in the same order as if it were done here.
  private func leave(_ draft: Draft, to sample: UnfinishedSample, _ stream: inout RandomStream) {
    sample.shape = draft.box.shape
    sample.rows = draft.rows
    sample.steps =
      augments ? IntensityAugmentation(geometry: geometry, channels: imageChannels).steps(&stream) : []
    sample.masksImage = augments
    sample.mirrored = drawMirroring(&stream)
    let count = imageChannels * geometry.patch.count
    for case .noise(let deviation, let key) in sample.steps {
      let noise = sample.noise(count)
      noise.update(repeating: 0, count: count)
      IntensityTransforms.noise(noise, count: count, deviation: deviation, key: key, first: 0)
    }
  }

  /// Where a crop without turning and scaling begins.
  private func centre(_ outer: Shape3D, _ inner: Shape3D) -> Shape3D {
    Shape3D(outer.z / 2 - inner.z / 2, outer.y / 2 - inner.y / 2, outer.x / 2 - inner.x / 2)
  }

  private func turn(_ workspace: SampleWorkspace, _ shape: Shape3D, _ rows: SpatialTransform.Rows) {
    let patch = geometry.patch
    let (source, turned) = (workspace.source, workspace.turned)
    let image = source.image(imageChannels * shape.count)
    let result = turned.image(imageChannels * patch.count)
    for channel in 0..<imageChannels {
      SpatialTransform.apply(
        rows, image: image + channel * shape.count, shape, nearest: variant.nearestImages,
        to: result + channel * patch.count, patch)
    }
    SpatialTransform.apply(
      rows, labels: source.labels(shape.count), shape, nearest: variant.nearestLabels, to: turned.labels(patch.count),
      patch)
    if previous != nil {
      SpatialTransform.apply(
        rows, labels: source.previous(shape.count), shape, nearest: variant.nearestLabels,
        to: turned.previous(patch.count),
        patch)
    }
  }

  /// Exchanges axes.
  private func exchange(
    _ permutation: AxisPermutation, _ sample: SampleWorkspace.Sample, to other: SampleWorkspace.Sample
  ) {
    let patch = geometry.patch
    let (from, to) = (sample.image(imageChannels * patch.count), other.image(imageChannels * patch.count))
    for channel in 0..<imageChannels {
      permutation.apply(from + channel * patch.count, to: to + channel * patch.count, patch)
    }
    permutation.apply(sample.labels(patch.count), to: other.labels(patch.count), patch)
    if previous != nil { permutation.apply(sample.previous(patch.count), to: other.previous(patch.count), patch) }
  }

  private func changeIntensities(
    _ sample: SampleWorkspace.Sample, _ workspace: SampleWorkspace, _ stream: inout RandomStream
  ) {
    let patch = geometry.patch
    let (image, scratch) = (sample.image(imageChannels * patch.count), workspace.scratch(patch.count))
    if variant.augmentation == .strong {
      StrongAugmentation(geometry: geometry, channels: imageChannels).apply(image, scratch: scratch, &stream)
    } else {
      for step in IntensityAugmentation(geometry: geometry, channels: imageChannels).steps(&stream) {
        step.apply(to: image, channels: imageChannels, patch, scratch: scratch)
      }
    }
  }

  /// Masks, mirrors, and spreads a sample over the batch's arrays.
  private func write(
    _ sample: SampleWorkspace.Sample, to batch: TrainingBatch, place: Int, mirrored: [Bool],
    _ workspace: SampleWorkspace, _ stream: inout RandomStream
  ) {
    let patch = geometry.patch
    guard let images = batch.image.baseAddress, let finest = batch.labels.first?.baseAddress else { return }
    let image = images + place * batch.channels * patch.count
    let values = sample.image(imageChannels * patch.count)
    let marks = sample.labels(patch.count)
    for channel in 0..<imageChannels {
      if augments, channel < maskedChannels.count, maskedChannels[channel] {
        mt_mask_row(values + channel * patch.count, marks, patch.count)
      }
      forEachRow(mirrored) { from, to in
        let (source, target) = (values + channel * patch.count + from, image + channel * patch.count + to)
        if mirrored[2] {
          mt_reverse_row(target, source, patch.x)
        } else {
          target.update(from: source, count: patch.x)
        }
      }
    }
    let labels = finest + place * patch.count
    forEachRow(mirrored) { from, to in mt_copy_labels(labels + to, marks + from, patch.x, mirrored[2] ? 1 : 0) }
    for (level, shape) in batch.labelShapes.enumerated().dropFirst() {
      guard let target = batch.labels[level].baseAddress else { continue }
      DeepSupervision.pick(labels, patch, to: target + place * shape.count, shape)
    }
    guard previous != nil else { return }
    let stage = workspace.spread(patch.count)
    let found = sample.previous(patch.count)
    forEachRow(mirrored) { from, to in mt_copy_labels(stage + to, found + from, patch.x, mirrored[2] ? 1 : 0) }
    var masks = previousLabels.map { label in
      Volume<UInt8>(shape: patch) { mask in
        for voxel in mask.indices { mask[voxel] = Int(stage[voxel]) == label ? 1 : 0 }
      }
    }
    if augments { CascadeAugmentation(isPlanar: geometry.isPlanar, share: variant.cascadeShare).apply(&masks, &stream) }
    for (index, mask) in masks.enumerated() {
      let target = image + (imageChannels + index) * patch.count
      for voxel in 0..<patch.count { target[voxel] = Float(mask.elements[voxel]) }
    }
  }

  /// Calls `body` with where each row of the patch begins and where it goes.
  private func forEachRow(_ mirrored: [Bool], _ body: (Int, Int) -> Void) {
    let patch = geometry.patch
    for z in 0..<patch.z {
      let slice = mirrored[0] ? patch.z - 1 - z : z
      for y in 0..<patch.y {
        let row = mirrored[1] ? patch.y - 1 - y : y
        body((z * patch.y + y) * patch.x, (slice * patch.y + row) * patch.x)
      }
    }
  }
}

extension Box3D {
  init(lower: Shape3D, shape: Shape3D) {
    self.init(
      lower: lower, upper: Shape3D(lower.z + shape.z, lower.y + shape.y, lower.x + shape.x))
  }

  func moved(by offset: Shape3D) -> Box3D {
    Box3D(lower: Shape3D(lower.z + offset.z, lower.y + offset.y, lower.x + offset.x), shape: shape)
  }
}
