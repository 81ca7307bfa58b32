import Basics
import Imaging
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite struct OutputTests {
  @Test func anOutputFolderThatCannotBeMadeIsReported() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    try place.add("file", [1])
    // A folder that nobody can make, a file, and a folder below a file.
    for output in ["/proc/self/labels", Path.join(place.input, "file"), Path.join(place.input, "file/labels")] {
      let run = try Program.run(["predict", "-i", place.input, "-o", output, "-m", place.model] + Workplace.quick)
      #expect(run.status == 73)
      #expect(run.errors.split(separator: "\n").count == 1)
      #expect(run.complaints(Path.join(place.input, "file")) == 1 || run.complaints(output) == 1, "\(run.errors)")
    }
    #expect(try Path.read(Path.join(place.input, "file")) == [1])
  }

  @Test func anImageIsNotReplacedByItsSegmentation() throws {
    let image = try TestImage.good
    let place = try Workplace(["scan.nii.gz": image])
    let path = Path.join(place.input, "scan.nii.gz")
    let run = try Program.run(["predict", "-i", path, "-o", place.input, "-m", place.model] + Workplace.quick)
    #expect(run.status == 64)
    #expect(run.complaints(path, "replace the image") == 1)
    #expect(try Path.list(place.input) == ["scan.nii.gz"])
    #expect(try Path.read(path) == image)

    let folder = try Workplace(["a_0000.nii.gz": image, "a_0000_0000.nii.gz": image])
    let both = try Program.run(
      ["predict", "-i", folder.input, "-o", folder.input + "/", "-m", folder.model] + Workplace.quick)
    #expect(both.status == 64)
    #expect(both.complaints("a_0000.nii.gz", "replace the image") == 1)
    #expect(try Path.list(folder.input) == ["a_0000.nii.gz", "a_0000_0000.nii.gz"])
  }

  /// Images whose label files are small, large (32 KiB) and small. Labels are not compressed.
  private func unequalCases() throws -> Workplace {
    let small = TestImage(shape: Shape3D(8, 8, 8)).bytes
    let place = try Workplace([
      "a_0000.nii": small, "b_0000.nii": TestImage(shape: Shape3D(32, 32, 32)).bytes, "c_0000.nii": small,
    ])
    try place.copyModel()
    try place.edit("dataset.json", ".nii.gz", ".nii")
    return place
  }

  @Test(arguments: [false, true])
  func aFileThatGrowsTooLargeCostsOneCase(savesProbabilities: Bool) throws {
    let place = try unequalCases()
    let run = try place.predict(Workplace.quick + (savesProbabilities ? ["--save_probabilities"] : []), largestFile: 24)
    #expect(run.status == 73)
    #expect(run.complaints("b: failed", place.output, "File too large") == 1, "\(run.errors)")
    #expect(run.complaints("1 of 3 cases failed") == 1)
    #expect(
      place.results
        == (savesProbabilities
          ? ["a.nii", "a.npz", "a.pkl", "c.nii", "c.npz", "c.pkl"] : ["a.nii", "c.nii"]))
  }

  #if os(Linux)
    @Test(.enabled(if: geteuid() == 0, "only root may mount a small disk"), arguments: [false, true])
    func aFullDiskCostsTheCasesThatDoNotFit(savesProbabilities: Bool) throws {
      let place = try unequalCases()
      try Path.makeFolder(place.output)
      guard mount("tmpfs", place.output, "tmpfs", 0, "size=48k") == 0 else { return }
      defer { _ = umount(place.output) }
      let run = try place.predict(Workplace.quick + (savesProbabilities ? ["--save_probabilities"] : []))
      #expect(run.status == 73)
      #expect(run.complaints("b: failed", place.output, "No space left on device") == 1, "\(run.errors)")
      // Without room for anything there are no labels, but never half of them.
      #expect(place.results.contains("a.nii") && !place.results.contains("b.nii"))
      #expect(!place.results.contains { $0.hasPrefix(".") })
      // Probabilities without labels are none either.
      for name in place.results where !name.hasSuffix(".nii") {
        #expect(place.results.contains(name.prefix { $0 != "." } + ".nii"), "\(place.results)")
      }
      for name in place.results where name.hasSuffix(".nii") {
        #expect(try place.labels(name).shape == Shape3D(8, 8, 8))
      }
    }
  #endif

  @Test func sideFilesRecordTheRun() throws {
    let place = try Workplace(["a_0000.nii.gz": TestImage.good])
    let run = try place.predict(Workplace.quick + ["-npp", "5", "-nps", "2", "--continue_prediction"])
    #expect(run.status == 0)
    let plans = try JSON.read(place.output + "/plans.json")
    let dataset = try JSON.read(place.output + "/dataset.json")
    #expect(try plans == JSON.read(place.model + "/plans.json"))
    #expect(try dataset == JSON.read(place.model + "/dataset.json"))
    let record = try JSON.read(place.output + "/predict_from_raw_data_args.json")
    #expect(
      record
        == .object([
          "folder_with_segs_from_prev_stage": .null, "list_of_lists_or_source_folder": .string(place.input),
          "num_parts": .int(1), "num_processes_preprocessing": .int(5), "num_processes_segmentation_export": .int(2),
          "output_folder_or_list_of_truncated_output_files": .string(place.output), "overwrite": .bool(false),
          "part_id": .int(0), "save_probabilities": .bool(false),
        ]))
  }

  @Test func memoryDoesNotGrowWithTheNumberOfCases() throws {
    // The image takes 12 MiB as floats, but only one patch on the network's grid.
    let image = try TestImage(shape: Shape3D(144, 144, 144), spacing: 0.11, voxel: { _ in 1 }).gzipped
    func peak(cases: Int) throws -> Int {
      let place = try Workplace()
      for index in 0..<cases { try place.add("case\(index)_0000.nii.gz", image) }
      let run = try place.predict()
      #expect(run.status == 0)
      #expect(place.results.count == cases)
      return run.peakMemory
    }
    let (few, many) = (try peak(cases: 3), try peak(cases: 30))
    #if os(Linux)
      #expect(few > 12 << 20)
    #endif
    #expect(many <= few * 3 / 2, "\(few >> 20) MiB for 3 cases, \(many >> 20) MiB for 30")
  }
}
