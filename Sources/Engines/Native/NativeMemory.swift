/// Where the arrays of a plan lie: one after the other in time may share a place.
struct NativeMemory {
  /// In values, from the beginning.
  private(set) var offsets: [Int]
  /// In values.
  private(set) var size = 0

  init(_ plan: NativePlan) {
    var lastUses = [Int](repeating: -1, count: plan.arrays.count)
    for (index, step) in plan.steps.enumerated() {
      for input in step.inputs { if let array = input.array { lastUses[array] = index } }
      lastUses[step.output] = index
    }
    for output in plan.outputs.joined() { if let array = output.array { lastUses[array] = plan.steps.count } }
    offsets = [Int](repeating: 0, count: plan.arrays.count)
    /// What is in use, in order of place.
    var used: [(range: Range<Int>, until: Int)] = []
    var isPlaced = [Bool](repeating: false, count: plan.arrays.count)
    for (index, step) in plan.steps.enumerated() {
      used.removeAll { $0.until < index }
      guard !isPlaced[step.output] else { continue }
      isPlaced[step.output] = true
      // The smallest gap that is large enough.
      let count = plan.arrays[step.output]
      var best: (start: Int, room: Int, place: Int)?
      var end = 0
      for (place, other) in used.enumerated() {
        let room = other.range.lowerBound - end
        if room >= count, room < best?.room ?? .max { best = (end, room, place) }
        end = other.range.upperBound
      }
      let (start, _, place) = best ?? (end, 0, used.count)
      used.insert((start..<start + count, lastUses[step.output]), at: place)
      offsets[step.output] = start
      size = max(size, start + count)
    }
  }
}
