import Basics
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where results of `microtome totalseg` may go, and what happens where they may not.
@Suite struct TotalSegmentOutputTests {
  typealias Place = TotalSegmentTests.Place

  @Test func anImageIsNotReplacedByAResult() throws {
    // There are no weights, but that is not found out before.
    let place = try Place([])
    let image = try Path.read(place.scan)
    try Path.makeFolder(place.folder("masks"))
    #expect(symlink(place.scan, place.folder("masks/breast.nii.gz")) == 0)
    #expect(symlink(place.scan, place.folder("probabilities.npz")) == 0)
    for options in [
      ["-o", place.scan, "--ml"], ["-o", place.folder("masks")], ["-o", place.output, "-s", place.scan],
      ["-o", place.output, "-sp", place.folder("probabilities.npz")],
    ] {
      let run = try place.run(["-i", place.scan, "-ta", "breasts", "--engine", "reference"] + options)
      #expect(run.status == 64 && run.complaints("would replace the image") == 1, "\(options): \(run.errors)")
      #expect(try Path.read(place.scan) == image)
    }
    let folder = try place.run(
      ["-i", place.folder.path, "-o", place.folder.path, "--ml", "-ta", "breasts", "--engine", "reference"])
    #expect(folder.status == 64 && folder.complaints(place.scan, "would replace the image") == 1, "\(folder.errors)")
    #expect(!Path.exists(place.output))
  }

  @Test func imagesThatWouldShareAResultAreNamed() throws {
    let place = try Place()
    try Path.makeFolder(place.folder("scans"))
    try AtomicFile.write(SyntheticScan().bytes, to: place.folder("scans/a.nii"))
    for name in ["a", "b"] { try AtomicFile.write(SyntheticScan().gzipped, to: place.folder("scans/\(name).nii.gz")) }
    let run = try place.segment("--ml", input: place.folder("scans"))
    #expect(run.status == 65)
    #expect(run.complaints("a: failed", "scans/a.nii:", "scans/a.nii.gz would both be") == 1, "\(run.errors)")
    #expect(run.complaints("a: failed", "scans/a.nii.gz:", "scans/a.nii would both be") == 1, "\(run.errors)")
    #expect(run.complaints("2 of 3 cases failed") == 1)
    #expect(try Path.list(place.output) == ["b.nii.gz"])
  }

  @Test func oneFileCannotTakeTheProbabilitiesOfAFolder() throws {
    let place = try Place([])
    try Path.makeFolder(place.folder("scans"))
    for name in ["a", "b"] { try AtomicFile.write(SyntheticScan().gzipped, to: place.folder("scans/\(name).nii.gz")) }
    let run = try place.segment("-sp", place.folder("p.npz"), input: place.folder("scans"))
    #expect(run.status == 64 && run.complaints("probabilities of a folder", "one by one") == 1, "\(run.errors)")
  }

  @Test(arguments: [true, false]) func statisticsOfAFolderWithoutSegmentations(isMultilabel: Bool) throws {
    let place = try Place()
    try Path.makeFolder(place.folder("scans"))
    try AtomicFile.write(SyntheticScan().gzipped, to: place.folder("scans/a.nii.gz"))
    let run = try place.run(
      ["-i", place.folder("scans"), "-o", place.output, "-ta", "breasts", "--engine", "reference"]
        + (isMultilabel ? ["--ml"] : []) + ["--statistics", "--skip_saving"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(try Path.list(place.output) == [isMultilabel ? "a_statistics.json" : "a"])
    #expect(Path.isFile(place.output + (isMultilabel ? "/a_statistics.json" : "/a/statistics.json")))
  }

  /// Before a network has run.
  @Test(arguments: ["-s", "-sp"]) func aPlaceThatCannotBeWrittenToIsFoundOutAtOnce(_ option: String) throws {
    let place = try Place()
    let run = try place.segment(option, place.scan + "/below/result.json")
    #expect(run.status == 73 && run.complaints(place.scan, "is a file, not a folder") == 1, "\(run.errors)")
    #expect(!run.output.contains("engine:") && run.complaints("failed") == 0)
    #expect(!Path.exists(place.output))
  }
}
