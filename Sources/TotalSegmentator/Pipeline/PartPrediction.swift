import Basics
import ImageFormats
import Imaging
import NNUNet

/// Runs the networks of one variant of a task over an image and merges what they find.
struct PartPrediction {
  let models: TaskModels
  let forcesSplit: Bool
  /// Whether labels come back to a grid that is not the networks', class by class.
  let classwise: Bool
  /// Without extension; nil when nobody wants probabilities.
  let probabilitiesStem: String?
  /// Called after every forward pass with the number done and the total of the network that runs.
  let progress: (_ done: Int, _ total: Int) throws -> Void
  /// Receives the seconds spent in networks.
  let spent: (Double) -> Void

  /// Labels by the task's ids on the image's grid, (Z, Y, X).
  ///
  /// - Parameter wanted: ids that somebody asks for: parts that find none of them are left out.
  /// - Throws: what the models and the engine throw.
  func run(_ variant: TaskVariant, on image: GridImage, wanted: Set<Int>?) throws -> Volume<UInt8> {
    let isMerged = variant.parts.count > 1
    let numbers = variant.parts.indices.filter { number in
      guard isMerged, let wanted else { return true }
      let part = variant.parts[number]
      return !wanted.isDisjoint(with: (part.labelOffset + 1)...(part.labelOffset + part.classCount))
    }
    let slabs = Slab.divide(image.shape, force: forcesSplit, isMerged: isMerged)
    let pieces = try slabs.map { slab in
      try Self.networkInput(GridImage(voxels: image.voxels.cropped(to: slab.input), affine: image.affine))
    }
    var shared = [SharedInput](repeating: SharedInput(), count: slabs.count)
    var merged = Volume<UInt8>(shape: image.shape, repeating: 0)
    for number in numbers {
      let part = variant.parts[number]
      let loaded = try models.load(part, step: variant.step)
      for (place, slab) in slabs.enumerated() {
        let prepared = try shared[place].prepare(
          pieces[place], for: loaded.preparation, isLast: number == numbers.last)
        var clock = Stopwatch()
        let stem = probabilitiesStem.map {
          Self.stem($0, part: isMerged ? number : nil, slab: slabs.count > 1 ? place : nil)
        }
        let record = prepared.record
        let (labels, probabilities) = try loaded.predictor.predict(
          prepared, spoolFolder: stem.map { Path.split($0).folder }, classwise: classwise, progress: progress)
        if let probabilities, let stem { try ProbabilityFiles.write(probabilities, record: record, stem: stem) }
        spent(clock.lap())
        guard case .uint8(let bytes) = labels else {
          throw Failure(.badInput, "the model has more classes than a task can have", file: loaded.model.path)
        }
        merged.merge(bytes, slab: slab, part: isMerged ? part : nil)
      }
    }
    return merged
  }

  /// One file for each network, by its place in the task, and slab, so that none overwrites another.
  private static func stem(_ stem: String, part: Int?, slab: Int?) -> String {
    stem + (part.map { "_part\($0 + 1)" } ?? "") + (slab.map { "_slab\($0 + 1)" } ?? "")
  }

  /// The image as nnU-Net's ITK reader would find it in a file.
  private static func networkInput(_ image: GridImage) -> Image {
    let spacing = image.affine.voxelSizes
    return Image(
      voxels: image.voxels.replacingNonFinite(), spacing: spacing, geometry: .itk(volumeAffine: image.affine))
  }
}

/// What the networks of one task share of an image's preparation.
private struct SharedInput {
  private var cropped: CroppedCase?
  private var cropper: CasePreparation?
  private var prepared: PreparedCase?
  private var preparer: CasePreparation?

  /// The image as `preparation` wants it, made anew only where it differs from what the network before wanted.
  ///
  /// - Parameter isLast: nothing needs to be kept for another network.
  mutating func prepare(_ image: Image, for preparation: CasePreparation, isLast: Bool) throws -> PreparedCase {
    if let prepared, let preparer, preparation.isEquivalent(to: preparer) { return prepared }
    prepared = nil
    let crop: CroppedCase
    if let cropped, let cropper, preparation.sharesCrop(with: cropper) {
      crop = cropped
    } else {
      crop = try preparation.crop(image)
      (cropped, cropper) = (crop, preparation)
    }
    if isLast { cropped = nil }
    let result = try preparation.prepare(crop, identifier: "")
    if !isLast { (prepared, preparer) = (result, preparation) }
    return result
  }
}

/// A piece of the volume along Z that is predicted on its own.
private struct Slab {
  /// What the network sees.
  let input: Box3D
  /// Which of the input's slices count, in the volume's numbers.
  let output: Range<Int>

  /// Overlap between pieces.
  private static let margin = 20

  /// Three pieces with overlaps, when asked for or when the volume is very large; else all of it.
  static func divide(_ shape: Shape3D, force: Bool, isMerged: Bool) -> [Slab] {
    let isLarge = isMerged && shape.count > 512 * 512 * 900 && shape.z > 200
    let third = shape.z / 3
    // Pieces thinner than their overlap would not be pieces.
    guard force || isLarge, third >= margin - 1 else {
      return [Slab(input: Box3D(shape), output: 0..<shape.z)]
    }
    func slab(_ input: Range<Int>, _ output: Range<Int>) -> Slab {
      var box = Box3D(shape)
      (box.lower.z, box.upper.z) = (input.lowerBound, input.upperBound)
      return Slab(input: box, output: output)
    }
    return [
      slab(0..<third + margin, 0..<third),
      slab(third - margin + 1..<2 * third + margin, third..<2 * third),
      slab(2 * third - margin + 1..<shape.z, 2 * third..<shape.z),
    ]
  }
}

extension Volume where Element == UInt8 {
  /// Lays a network's labels over those found before. Of a task with several networks only labels above 0 count, and
  /// they are numbered by `part`.
  fileprivate mutating func merge(_ labels: Volume<UInt8>, slab: Slab, part: TaskPart?) {
    let plane = shape.y * shape.x
    let offset = (slab.output.lowerBound - slab.input.lower.z) * plane
    let count = slab.output.count * plane
    let start = slab.output.lowerBound * plane
    // Labels that the task does not have become background.
    let numbers = (0..<256).map { label in
      guard let part else { return UInt8(label) }
      return (1...part.classCount).contains(label) ? UInt8(clamping: label + part.labelOffset) : 0
    }
    labels.elements.withUnsafeBufferPointer { source in
      elements.withUnsafeMutableBufferPointer { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        let shared = Shared((from: from + offset, to: to + start))
        Parallel.ranges(count, minimum: 1 << 16) { range in
          numbers.withUnsafeBufferPointer { numbers in
            let (from, to) = shared.value
            for index in range where from[index] != 0 {
              let number = numbers[Int(from[index])]
              if number != 0 { to[index] = number }
            }
          }
        }
      }
    }
  }
}

extension Volume where Element == Float {
  /// Zero for NaN and infinities, which is what the NIfTI library under ITK makes of them.
  fileprivate func replacingNonFinite() -> Volume<Float> {
    let isClean = elements.withUnsafeBufferPointer { voxels in
      var sum: Float = 0
      // Zero times anything finite is zero; anything else leaves a NaN.
      for value in voxels { sum += value * 0 }
      return sum == 0
    }
    return isClean ? self : Volume(channels: channels, shape: shape, elements: elements.map { $0.isFinite ? $0 : 0 })
  }
}
