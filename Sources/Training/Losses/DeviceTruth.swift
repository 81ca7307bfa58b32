import Engines

/// What labels say about the channels of a network's output, on a device.
struct DeviceTruth {
  /// (N, C, Z, Y, X): 1 where a voxel counts and belongs to the channel, else 0.
  let members: DeviceArray
  /// (N, 1, Z, Y, X): 1 where a voxel counts.
  let counts: DeviceArray

  /// - Parameter labels: (N, 1, Z, Y, X), single precision.
  init(_ math: DeviceMath, _ labels: DeviceArray, _ meaning: OutputMeaning, ignore: Int?) throws {
    let known: Int
    switch meaning {
    case .classes(let count): known = count
    case .regions(let table): known = table.labelCount
    }
    var isValid = try math.product(math.compare(labels, .atLeast, 0), math.compare(labels, .less, Double(known)))
    if let ignore { isValid = try math.product(isValid, math.compare(labels, .unequal, Double(ignore))) }
    counts = try math.single(isValid)
    switch meaning {
    case .classes(let count):
      let classes = try math.array((0..<count).map(Float.init), [1, count, 1, 1, 1])
      members = try math.product(math.compare(labels, .equal, classes), counts)
    case .regions(let table):
      // A row of the table for every voxel: (V, R), and then with the regions in front.
      let shape = labels.shape
      let voxels = shape[2...].reduce(1, *)
      let members = try math.empty([shape[0], table.regionCount] + shape[2...])
      let clamped = try math.places(math.product(labels, counts))
      for region in 0..<table.regionCount {
        let column = (0..<table.labelCount).map { Float(table.members[$0 * table.regionCount + region]) }
        let found = try math.taken(math.array(column, [table.labelCount]), at: clamped)
        for sample in 0..<shape[0] {
          try math.copy(
            math.part(found, from: sample * voxels, [voxels]),
            to: math.part(members, from: (sample * table.regionCount + region) * voxels, [voxels]))
        }
      }
      self.members = try math.product(members, counts)
    }
  }

  /// How often the winners among logits (N, C, Z, Y, X) are right and wrong: for each channel the voxels rightly given,
  /// wrongly given, wrongly not given.
  func overlaps(_ math: DeviceMath, of logits: DeviceArray, _ meaning: OutputMeaning) throws -> [Int64] {
    let answer: DeviceArray
    switch meaning {
    case .classes(let count):
      let classes = try math.array((0..<count).map(Float.init), [1, count, 1, 1, 1])
      answer = try math.compare(math.winner(logits, axis: 1), .equal, classes)
    case .regions: answer = try math.compare(math.number(0), .less, logits)
    }
    // Sums of ones are exact up to 2^24 voxels a sample.
    let voxels = try [math.product(members, answer), math.product(counts, answer), members]
    let sums = try math.values(of: voxels.map { try math.summary(.sum, of: $0, axes: [2, 3, 4]) })
    let (hits, given, wanted) = (sums[0], sums[1], sums[2])
    let channels = meaning.channelCount
    var overlaps = [Int64](repeating: 0, count: channels * 3)
    for index in hits.indices {
      let channel = index % channels
      overlaps[channel * 3] += Int64(hits[index])
      overlaps[channel * 3 + 1] += Int64(given[index] - hits[index])
      overlaps[channel * 3 + 2] += Int64(wanted[index] - hits[index])
    }
    return overlaps
  }
}
