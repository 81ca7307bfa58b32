import Imaging
import NNUNet

/// The memory in which one thread makes samples.
final class SampleWorkspace {
  /// An image, its labels and a cascade's first segmentation.
  struct Sample {
    private let images: ScratchBuffer<Float>
    private let marks: ScratchBuffer<Int16>
    private let stages = ScratchBuffer<Int16>(0)

    init(pinned: PinnedMemorySource? = nil) {
      images = ScratchBuffer(0, pinned: pinned)
      marks = ScratchBuffer(0, pinned: pinned)
    }

    func image(_ count: Int) -> UnsafeMutablePointer<Float> { images.reserve(count) }
    func labels(_ count: Int) -> UnsafeMutablePointer<Int16> { marks.reserve(count) }
    func previous(_ count: Int) -> UnsafeMutablePointer<Int16> { stages.reserve(count) }
  }

  let source = Sample()
  let turned = Sample()
  private let floats = ScratchBuffer<Float>(0)
  private let spreading = ScratchBuffer<Int16>(0)
  private let clippedImage = ScratchBuffer<Float>(0)
  private let clippedLabels = ScratchBuffer<Int16>(0)

  func scratch(_ count: Int) -> UnsafeMutablePointer<Float> { floats.reserve(count) }
  func spread(_ count: Int) -> UnsafeMutablePointer<Int16> { spreading.reserve(count) }

  /// Copies a box of a case into a sample. Outside of the case the image is 0 and labels are -1.
  func fill(
    _ sample: Sample, with data: any PreprocessedCase, _ box: Box3D, channels: Int, previous: PreviousSegmentations?
  ) throws {
    let shape = box.shape
    let image = sample.image(channels * shape.count)
    let labels = sample.labels(shape.count)
    let inside = box.clipped(to: data.shape)
    let part = inside.shape
    let isEmpty = part.z <= 0 || part.y <= 0 || part.x <= 0
    if inside == box {
      try data.read(
        box, image: UnsafeMutableBufferPointer(start: image, count: channels * shape.count),
        labels: UnsafeMutableBufferPointer(start: labels, count: shape.count))
    } else {
      image.update(repeating: 0, count: channels * shape.count)
      labels.update(repeating: -1, count: shape.count)
      if !isEmpty {
        let partImage = clippedImage.reserve(channels * part.count)
        let partLabels = clippedLabels.reserve(part.count)
        try data.read(
          inside, image: UnsafeMutableBufferPointer(start: partImage, count: channels * part.count),
          labels: UnsafeMutableBufferPointer(start: partLabels, count: part.count))
        for channel in 0..<channels {
          place(partImage + channel * part.count, inside, in: image + channel * shape.count, box)
        }
        place(partLabels, inside, in: labels, box)
      }
    }
    guard let previous else { return }
    let stage = sample.previous(shape.count)
    let isWhole = inside == box
    if !isWhole { stage.update(repeating: -1, count: shape.count) }
    guard !isEmpty else { return }
    let found = isWhole ? stage : clippedLabels.reserve(part.count)
    try previous.read(
      data.identifier, shape: data.shape, inside, into: UnsafeMutableBufferPointer(start: found, count: part.count))
    if !isWhole { place(found, inside, in: stage, box) }
  }

  /// Copies what fills the box `inside` to where it belongs in the larger `box`.
  private func place<Element>(
    _ values: UnsafeMutablePointer<Element>, _ inside: Box3D, in target: UnsafeMutablePointer<Element>, _ box: Box3D
  ) {
    let (part, shape) = (inside.shape, box.shape)
    for z in 0..<part.z {
      for y in 0..<part.y {
        let row =
          ((z + inside.lower.z - box.lower.z) * shape.y + y + inside.lower.y - box.lower.y) * shape.x
          + inside.lower.x - box.lower.x
        (target + row).update(from: values + (z * part.y + y) * part.x, count: part.x)
      }
    }
  }
}

extension Box3D {
  /// The part that lies in a volume; upper bounds may be below lower ones where there is none.
  fileprivate func clipped(to shape: Shape3D) -> Box3D {
    Box3D(
      lower: Shape3D(max(0, lower.z), max(0, lower.y), max(0, lower.x)),
      upper: Shape3D(min(shape.z, upper.z), min(shape.y, upper.y), min(shape.x, upper.x)))
  }
}
