import NNUNet

/// Which regions contain which label.
public struct RegionTable: Sendable, Equatable {
  public let regionCount: Int
  /// Labels are 0 ..< labelCount.
  public let labelCount: Int
  /// (label, region): 1 where the region contains the label.
  let members: [UInt8]

  /// - Parameter regions: the labels of each region.
  public init(regions: [[Int]], labelCount: Int) {
    regionCount = regions.count
    self.labelCount = labelCount
    members = (0..<labelCount).flatMap { label in regions.map { $0.contains(label) ? 1 : 0 } }
  }

  /// The regions of a dataset.
  public init(_ scheme: LabelScheme) {
    let largest = max(scheme.all.max() ?? 0, scheme.ignore ?? 0)
    self.init(regions: scheme.foreground.map(\.labels), labelCount: largest + 1)
  }
}

/// What the channels of a network's output stand for.
public enum OutputMeaning: Sendable, Equatable {
  /// Labels that exclude each other; channel k is label k.
  case classes(Int)
  /// Regions that may overlap.
  case regions(RegionTable)

  public init(_ scheme: LabelScheme) {
    self = scheme.hasRegions ? .regions(RegionTable(scheme)) : .classes(scheme.outputCount)
  }

  public var channelCount: Int {
    switch self {
    case .classes(let count): count
    case .regions(let table): table.regionCount
    }
  }

  /// The first channel that scores take into account: background is left out.
  public var firstScored: Int {
    switch self {
    case .classes: 1
    case .regions: 0
    }
  }
}
