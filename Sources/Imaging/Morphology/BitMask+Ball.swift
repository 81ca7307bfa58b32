import Basics
import CKernels

extension BitMask {
  /// Sets every bit within a ball around one that is set, as `scipy.ndimage.binary_dilation` with the ball as structure.
  public mutating func dilate(_ ball: Ball) {
    guard !slices.isEmpty else { return }
    slices = max(0, slices.lowerBound - ball.reach.z)..<min(shape.z, slices.upperBound + ball.reach.z)
    rows = max(0, rows.lowerBound - ball.reach.y)..<min(shape.y, rows.upperBound + ball.reach.y)
    transform(ball, mt_dilate_ball_packed)
  }

  /// Clears every bit with one that is not set, or with the outside of the volume, in the ball around it, as
  /// `scipy.ndimage.binary_erosion` does.
  public mutating func erode(_ ball: Ball) { transform(ball, mt_erode_ball_packed) }

  /// Makes a row from the rows under the ball around it.
  private typealias Step =
    @Sendable (
      UnsafeMutablePointer<UInt64>, UnsafePointer<UnsafePointer<UInt64>?>, UnsafePointer<Int32>, UnsafePointer<Int32>,
      Int, Int
    ) -> Void

  private mutating func transform(_ ball: Ball, _ step: Step) {
    guard shape.count > 0, !slices.isEmpty else { return }
    let (shape, pitch, slices, rows) = (self.shape, self.pitch, self.slices, self.rows)
    let offsets = ball.groups.flatMap(\.offsets)
    var ends: [Int32] = []
    var steps: [Int32] = []
    for (index, group) in ball.groups.enumerated() {
      ends.append((ends.last ?? 0) + Int32(clamping: group.offsets.count))
      let next = index + 1 < ball.groups.count ? ball.groups[index + 1].reach : 0
      steps.append(Int32(clamping: group.reach - next))
    }
    let table = (ends: ends, steps: steps)
    var result = [UInt64](repeating: 0, count: words.count)
    words.withUnsafeBufferPointer { words in
      result.withUnsafeMutableBufferPointer { result in
        guard let from = words.baseAddress, let to = result.baseAddress else { return }
        let (source, target) = (Shared(from + 1), Shared(to + 1))
        Parallel.ranges(slices.count * rows.count, minimum: 16) { range in
          withUnsafeTemporaryAllocation(of: UnsafePointer<UInt64>?.self, capacity: offsets.count) { under in
            guard let list = under.baseAddress else { return }
            for index in range {
              let z = slices.lowerBound + index / rows.count
              let y = rows.lowerBound + index % rows.count
              for (place, offset) in offsets.enumerated() {
                let (z, y) = (z + offset.z, y + offset.y)
                let isInside = z >= 0 && z < shape.z && y >= 0 && y < shape.y
                list[place] = isInside ? source.value + (z * shape.y + y) * pitch : nil
              }
              step(
                target.value + (z * shape.y + y) * pitch, UnsafePointer(list), table.ends, table.steps,
                table.ends.count, shape.x)
            }
          }
        }
      }
    }
    words = result
  }
}

extension Volume where Element == UInt8 {
  /// Removes from a single-channel mask (not 0 means set; the result is 0 or 1) every voxel that no ball within the mask
  /// covers. Outside of the volume nothing is set: `scipy.ndimage.binary_opening` with the ball as structure.
  public mutating func open(_ ball: Ball) {
    var bits = BitMask(self)
    bits.erode(ball)
    bits.dilate(ball)
    bits.unpack(into: &self)
  }

  /// Adds to a single-channel mask every voxel that no ball outside of the mask covers.
  ///
  /// The faces of the volume are no borders: it is as if the volume were surrounded by voxels that are not set. (Then
  /// nothing is lost at the faces, as it is in `scipy.ndimage.binary_closing` of an array without such a margin.)
  public mutating func close(_ ball: Ball) {
    guard shape.count > 0 else { return }
    let margin = ball.reach
    let corner = Box3D(
      lower: margin, upper: Shape3D(margin.z + shape.z, margin.y + shape.y, margin.x + shape.x))
    var padded = Volume(
      shape: Shape3D(shape.z + 2 * margin.z, shape.y + 2 * margin.y, shape.x + 2 * margin.x), repeating: 0)
    guard (try? padded.paste(self, at: margin)) != nil else { return }
    var bits = BitMask(padded)
    bits.dilate(ball)
    bits.erode(ball)
    bits.unpack(into: &padded)
    if let result = try? padded.cropped(to: corner) { self = result }
  }
}
