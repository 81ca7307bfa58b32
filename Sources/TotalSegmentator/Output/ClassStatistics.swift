import Basics
import Imaging

/// Volume and intensity of the classes of a segmentation, as TotalSegmentator's `statistics.json` has them.
public struct ClassStatistics: Sendable {
  /// Which number stands for a class's intensities.
  public enum Average: String, Sendable, CaseIterable {
    case mean
    case median
  }

  public struct Options: Sendable {
    public var average = Average.mean
    /// Measure classes that come within three voxels of the image's border too.
    public var includesIncomplete = false
    /// Rescale intensities to 0...1 over the image first.
    public var normalizesIntensities = false
    /// Also count, standard deviation, extremes, centroid and bounding box.
    public var isExtended = false

    public init() {}
  }

  /// What is known about one class; intensities in the image's units.
  struct Measurement {
    var name: String
    /// In mm³.
    var volume = 0.0
    var intensity = 0.0
    /// nil for a class that is not measured, or has no voxels.
    var extent: Extent?
  }

  struct Extent {
    var voxels = 0
    var deviation = 0.0
    var smallest = 0.0
    var largest = 0.0
    /// In voxels, (x, y, z).
    var centroid: [Double] = []
    /// First and last voxel along x, y, z.
    var box: [[Int]] = []
  }

  let measurements: [Measurement]
  private let options: Options

  /// Slices at either end of an axis in which a class counts as cut off.
  private static let border = 3

  /// Measures `classes` of a segmentation.
  ///
  /// - Parameters:
  ///   - image: on the labels' grid, (Z, Y, X); its values are taken as 16-bit integers, as the reference takes them.
  ///   - spacing: the voxel sizes of the image's header in mm, (Z, Y, X).
  init(
    of labels: Volume<UInt8>, classes: [TaskClass], image: Volume<Float>, spacing: Vector3D, options: Options
  ) {
    let tally = LabelTally.count(labels, image, countsValues: options.average == .median, border: Self.border)
    let range = options.normalizesIntensities ? image.integerRange : nil
    // The product of single-precision sizes, in x, y, z order.
    let voxelVolume = Double(Float(spacing.x) * Float(spacing.y) * Float(spacing.z))
    self.options = options
    measurements = classes.map { item in
      var result = Measurement(name: item.name)
      let found = tally.labels[min(item.id, 255)]
      guard options.includesIncomplete || !found.touchesBorder else { return result }
      if options.isExtended, found.count > 0 { result.extent = Extent(found, range: range) }
      result.volume = Double(found.count) * voxelVolume
      guard found.count > 0 else { return result }
      var value =
        options.average == .mean ? Double(found.sum) / Double(found.count) : tally.median(of: item.id, found.count)
      if let range { value = (value - Double(range.lowerBound)) / Double(range.upperBound - range.lowerBound) }
      result.intensity = value.rounded(digits: 5)
      return result
    }
  }

  /// The document: one object a class, in the order of the classes.
  public var json: JSON {
    .object(
      JSONObject(
        measurements.map { item in
          var members: [(String, JSON)] = [("volume", .double(item.volume)), ("intensity", .double(item.intensity))]
          if options.isExtended { members += extendedMembers(item.extent) }
          return (item.name, .object(JSONObject(members)))
        }))
  }

  private func extendedMembers(_ extent: Extent?) -> [(String, JSON)] {
    guard let extent else {
      return [("n_voxels", .int(0))] + ["intensity_std", "intensity_min", "intensity_max"].map { ($0, .double(0)) }
        + [("centroid_vox", .null), ("bbox_vox", .null)]
    }
    return [
      ("n_voxels", .int(extent.voxels)), ("intensity_std", .double(extent.deviation)),
      ("intensity_min", .double(extent.smallest)), ("intensity_max", .double(extent.largest)),
      ("centroid_vox", .array(extent.centroid.map(JSON.double))),
      ("bbox_vox", .array(extent.box.map { .array($0.map(JSON.int)) })),
    ]
  }
}

extension ClassStatistics.Extent {
  fileprivate init(_ found: LabelTally.Label, range: ClosedRange<Int>?) {
    let count = Double(found.count)
    let mean = Double(found.sum) / count
    voxels = found.count
    let scale = range.map { Double($0.upperBound - $0.lowerBound) } ?? 1
    deviation = (max(0, found.squares / count - mean * mean).squareRoot() / scale).rounded(digits: 5)
    let origin = range.map { Double($0.lowerBound) } ?? 0
    smallest = (Double(found.smallest) - origin) / scale
    largest = (Double(found.largest) - origin) / scale
    centroid = [found.positions.x, found.positions.y, found.positions.z].map { (Double($0) / count).roundedToCents }
    box = [2, 1, 0].map { [found.box.lower[$0], found.box.upper[$0] - 1] }
  }
}

extension Double {
  /// Rounded to a number of decimal places as numpy does it: scaled, rounded half to even, scaled back.
  func rounded(digits: Int) -> Double {
    let scale = (0..<digits).reduce(1.0) { power, _ in power * 10 }
    return (self * scale).rounded(.toNearestOrEven) / scale
  }

  /// Rounded to two decimal places as Python's `round` does it: by the exact value.
  fileprivate var roundedToCents: Double {
    let scaled = self * 100
    var nearest = scaled.rounded(.toNearestOrEven)
    // The product may have been rounded to half-way; what was lost tells on which side of it the value lies.
    let lost = (-scaled).addingProduct(self, 100)
    if abs(scaled - scaled.rounded(.down)) == 0.5, lost != 0 { nearest = scaled.rounded(lost > 0 ? .up : .down) }
    return nearest / 100
  }
}
