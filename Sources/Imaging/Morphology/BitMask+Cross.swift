import Basics
import CKernels

extension BitMask {
  /// Sets every bit that shares a face with one that is set, `iterations` times over; 0 iterations change nothing.
  ///
  /// The same as `scipy.ndimage.binary_dilation` with its default structure, for which 0 iterations would mean "until
  /// nothing changes".
  public mutating func dilate(iterations: Int = 1) {
    repeatStep(iterations, mt_dilate_packed) { range, count in
      range.isEmpty ? range : max(0, range.lowerBound - 1)..<min(count, range.upperBound + 1)
    }
  }

  /// Clears every bit that shares a face with one that is not set or with the outside of the volume, `iterations` times
  /// over; 0 iterations change nothing.
  ///
  /// The same as `scipy.ndimage.binary_erosion` with its default structure and its border value 0.
  public mutating func erode(iterations: Int = 1) {
    // The ranges stay: what is eroded must be overwritten in the buffer of the step before the last.
    repeatStep(iterations, mt_erode_packed) { range, _ in range }
  }

  /// Dilation, then erosion: `scipy.ndimage.binary_closing`, in which what lies outside of the volume counts as 0.
  public mutating func close(iterations: Int = 1) {
    dilate(iterations: iterations)
    erode(iterations: iterations)
  }

  /// Erosion, then dilation: `scipy.ndimage.binary_opening`.
  public mutating func open(iterations: Int = 1) {
    erode(iterations: iterations)
    dilate(iterations: iterations)
  }

  /// Makes a row from itself and its four neighbours (of the slices before and behind, of the rows above and below).
  private typealias Step =
    @Sendable (
      UnsafeMutablePointer<UInt64>, UnsafePointer<UInt64>, UnsafePointer<UnsafePointer<UInt64>?>, Int
    ) -> Void

  private mutating func repeatStep(
    _ iterations: Int, _ step: Step, _ reached: (_ range: Range<Int>, _ count: Int) -> Range<Int>
  ) {
    guard iterations > 0, shape.count > 0, !slices.isEmpty else { return }
    let (shape, pitch) = (self.shape, self.pitch)
    var result = [UInt64](repeating: 0, count: words.count)
    let nothing = [UInt64](repeating: 0, count: pitch)
    // From one corner to the other is the longest way there is.
    for _ in 0..<min(iterations, shape.z + shape.y + shape.x) {
      slices = reached(slices, shape.z)
      rows = reached(rows, shape.y)
      let (slices, rows) = (self.slices, self.rows)
      words.withUnsafeBufferPointer { words in
        result.withUnsafeMutableBufferPointer { result in
          nothing.withUnsafeBufferPointer { nothing in
            guard let from = words.baseAddress, let to = result.baseAddress, let none = nothing.baseAddress else {
              return
            }
            let (source, target, zeros) = (Shared(from + 1), Shared(to + 1), Shared(none))
            Parallel.ranges(slices.count) { pieces in
              withUnsafeTemporaryAllocation(of: UnsafePointer<UInt64>?.self, capacity: 4) { neighbours in
                guard let list = neighbours.baseAddress else { return }
                for z in slices.lowerBound + pieces.lowerBound..<slices.lowerBound + pieces.upperBound {
                  for y in rows {
                    let row = source.value + (z * shape.y + y) * pitch
                    list[0] = z > 0 ? row - shape.y * pitch : zeros.value
                    list[1] = z < shape.z - 1 ? row + shape.y * pitch : zeros.value
                    list[2] = y > 0 ? row - pitch : zeros.value
                    list[3] = y < shape.y - 1 ? row + pitch : zeros.value
                    step(target.value + (z * shape.y + y) * pitch, row, UnsafePointer(list), shape.x)
                  }
                }
              }
            }
          }
        }
      }
      swap(&words, &result)
    }
  }
}

extension Volume where Element == UInt8 {
  /// Grows a single-channel mask (not 0 means set; the result is 0 or 1) by its face neighbours, `iterations` times: all
  /// voxels whose city-block distance to the mask is at most `iterations`. See `BitMask.dilate`.
  public mutating func dilate(iterations: Int = 1) { transform { $0.dilate(iterations: iterations) } }

  /// Shrinks a single-channel mask by what has a face neighbour outside of it or of the volume, `iterations` times. See
  /// `BitMask.erode`.
  public mutating func erode(iterations: Int = 1) { transform { $0.erode(iterations: iterations) } }

  /// Dilates and erodes a single-channel mask. See `BitMask.close`.
  public mutating func close(iterations: Int = 1) { transform { $0.close(iterations: iterations) } }

  /// Erodes and dilates a single-channel mask. See `BitMask.open`.
  public mutating func open(iterations: Int = 1) { transform { $0.open(iterations: iterations) } }

  /// Sets to 0 what lies outside of `mask`, of the same shape, grown by its face neighbours `iterations` times.
  public mutating func clear(outside mask: Volume<UInt8>, dilatedBy iterations: Int = 0) {
    var bits = BitMask(mask)
    bits.dilate(iterations: iterations)
    bits.clearOutside(of: &self)
  }

  private mutating func transform(_ body: (inout BitMask) -> Void) {
    var bits = BitMask(self)
    body(&bits)
    bits.unpack(into: &self)
  }
}
