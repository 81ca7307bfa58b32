import Imaging

extension LabelConfusion {
  /// The pairs that occur at some positions of two segmentations of the same shape.
  ///
  /// - Parameter positions: ranges of positions in the arrays (Z, Y, X); they must not overlap.
  public init(prediction: LabelMap, reference: LabelMap, at positions: [Range<Int>]) {
    var counts: [Pair: Int] = [:]
    for range in positions {
      // Neighbours usually agree: runs of equal pairs are counted, not voxels.
      var run: (pair: Pair, count: Int)?
      for index in range {
        let pair = Pair(reference: reference.label(at: index), prediction: prediction.label(at: index))
        if let current = run, current.pair == pair {
          run = (pair, current.count + 1)
        } else {
          if let run { counts[run.pair, default: 0] += run.count }
          run = (pair, 1)
        }
      }
      if let run { counts[run.pair, default: 0] += run.count }
    }
    self.init(counts: counts)
  }

  /// What the pairs become when the voxels that `part` counts are given the label `label` in the prediction.
  public func relabeling(_ part: LabelConfusion, to label: Int = 0) -> LabelConfusion {
    var counts = counts
    for (pair, count) in part.counts {
      let rest = counts[pair, default: 0] - count
      counts[pair] = rest == 0 ? nil : rest
      counts[Pair(reference: pair.reference, prediction: label), default: 0] += count
    }
    return LabelConfusion(counts: counts)
  }
}

extension LabelMap {
  /// The label of the voxel at a position in the array.
  fileprivate func label(at index: Int) -> Int {
    switch self {
    case .uint8(let volume): Int(volume.elements[index])
    case .uint16(let volume): Int(volume.elements[index])
    }
  }
}
