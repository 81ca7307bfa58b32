import Basics
import Evaluation
import Imaging
import Testing

@Suite struct SurfaceDistancesTests {
  private func box(_ lower: Shape3D, _ upper: Shape3D, label: UInt8 = 1) -> LabelMap {
    var volume = Volume<UInt8>(shape: Shape3D(10, 12, 14), repeating: 0)
    for z in lower.z..<upper.z {
      for y in lower.y..<upper.y { for x in lower.x..<upper.x { volume[z, y, x] = label } }
    }
    return .uint8(volume)
  }

  /// A box moved by two voxels along one axis: no surface voxel is further away than that.
  @Test func aMovedBoxIsAsFarAsItWasMoved() throws {
    let spacing = Vector3D(3, 1, 0.5)
    let distances = try SurfaceDistances(
      prediction: box(Shape3D(2, 3, 3), Shape3D(7, 8, 8)), reference: box(Shape3D(4, 3, 3), Shape3D(9, 8, 8)),
      region: [1],
      spacing: spacing)
    #expect(distances.fromPrediction.count == 5 * 5 * 5 - 3 * 3 * 3)
    #expect(distances.fromPrediction.last == 6)
    #expect(distances.hausdorff95 == 6)
    #expect(distances.surfaceDice(tolerance: 6) == 1)
    #expect(distances.surfaceDice(tolerance: 0.4) < 1)
  }

  /// What ends at the border of the image has a surface there.
  @Test func theBorderOfTheImageIsASurface() throws {
    let whole = box(Shape3D(0, 0, 0), Shape3D(10, 12, 14))
    let distances = try SurfaceDistances(
      prediction: whole, reference: whole, region: [1], spacing: Vector3D(1, 1, 1))
    #expect(distances.fromPrediction.count == 10 * 12 * 14 - 8 * 10 * 12)
    #expect(distances.hausdorff95 == 0)
    #expect(distances.surfaceDice(tolerance: 0) == 1)
  }

  @Test func emptyRegionsHaveNoDistance() throws {
    let one = box(Shape3D(2, 3, 3), Shape3D(7, 8, 8))
    let spacing = Vector3D(1, 1, 1)
    let missed = try SurfaceDistances(
      prediction: box(Shape3D(0, 0, 0), Shape3D(0, 0, 0)), reference: one, region: [1], spacing: spacing)
    #expect(missed.hausdorff95.isNaN)
    #expect(missed.surfaceDice(tolerance: 1) == 0)
    let absent = try SurfaceDistances(prediction: one, reference: one, region: [2], spacing: spacing)
    #expect(absent.hausdorff95.isNaN)
    #expect(absent.surfaceDice(tolerance: 1).isNaN)
  }

  @Test func ignoredVoxelsAreInNeitherMask() throws {
    let prediction = box(Shape3D(2, 3, 3), Shape3D(7, 8, 8))
    let distances = try SurfaceDistances(
      prediction: prediction, reference: box(Shape3D(2, 3, 3), Shape3D(7, 8, 8), label: 9), region: [1], ignoring: 9,
      spacing: Vector3D(1, 1, 1))
    #expect(distances.surfaceDice(tolerance: 1).isNaN)
  }
}
