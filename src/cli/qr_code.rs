//! QR codes, in the terminal and as PNG files.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use qrcode::render::unicode::Dense1x2;
use qrcode::{Color, EcLevel, QrCode};

use super::failure::Failure;
use super::report::Paint;

/// Pixels for each module of a PNG file.
const SCALE: usize = 8;

/// White modules around the code, as the standard asks for (ISO/IEC 18004).
const QUIET: usize = 4;

/// Kaspi's `QrToken` as a QR code: the text as it is.
pub(super) fn encode(token: &str) -> Result<QrCode, Failure> {
    QrCode::with_error_correction_level(token, EcLevel::M)
        .map_err(|error| Failure::from_io("Kaspi's QR token cannot be drawn", io::Error::other(error)))
}

/// The code in block characters, two modules to a line. In colour it is dark on light, as scanners want
/// it, whatever the terminal's own colours are.
pub(super) fn drawn(code: &QrCode, paint: &Paint) -> String {
    let blocks = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Dark)
        .light_color(Dense1x2::Light)
        .quiet_zone(true)
        .build();
    blocks
        .lines()
        .map(|line| paint.paper(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A file for [`write_png`].
pub(super) fn open(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| unwritable(path, error))
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::from_io(
        format!("the QR code cannot be written to `{}`", path.display()),
        error,
    )
}

/// The code as a grey PNG file.
pub(super) fn write_png(code: &QrCode, file: File, path: &Path) -> Result<(), Failure> {
    let failed = |error| unwritable(path, error);
    let side = (code.width() + 2 * QUIET) * SCALE;
    let pixels = pixels(code, side);
    let width = u32::try_from(side).map_err(|error| failed(io::Error::other(error)))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, width);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder
        .write_header()
        .map_err(|error| failed(io::Error::other(error)))?;
    writer
        .write_image_data(&pixels)
        .map_err(|error| failed(io::Error::other(error)))?;
    writer.finish().map_err(|error| failed(io::Error::other(error)))
}

fn pixels(code: &QrCode, side: usize) -> Vec<u8> {
    let modules = code.to_colors();
    let width = code.width();
    let module = |pixel: usize| {
        (pixel / SCALE)
            .checked_sub(QUIET)
            .filter(|module| *module < width)
    };
    let mut pixels = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let dark = module(x)
                .zip(module(y))
                .and_then(|(x, y)| modules.get(y * width + x))
                .is_some_and(|color| *color == Color::Dark);
            pixels.push(if dark { 0 } else { 255 });
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_holds_the_code_and_its_quiet_zone() {
        let code =
            encode("51236900000000000000000000000000000000459").unwrap_or_else(|_| panic!("not drawn"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("qr.png");
        let open = open(&file).unwrap_or_else(|_| panic!("not opened"));
        write_png(&code, open, &file).unwrap_or_else(|_| panic!("not written"));

        let decoder = png::Decoder::new(io::BufReader::new(File::open(&file).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut image = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut image).unwrap();
        let side = (code.width() + 2 * QUIET) * SCALE;
        assert_eq!((info.width as usize, info.height as usize), (side, side));
        // the corner is quiet, and the finder pattern's corner module is dark
        assert_eq!(image[0], 255);
        assert_eq!(image[QUIET * SCALE * side + QUIET * SCALE], 0);
    }

    #[test]
    fn the_terminal_shows_every_module() {
        let code = encode("1").unwrap_or_else(|_| panic!("not drawn"));
        let lines: Vec<String> = drawn(&code, &Paint::none()).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), (code.width() + 2 * QUIET).div_ceil(2));
        assert!(
            lines
                .iter()
                .all(|line| line.chars().count() == code.width() + 2 * QUIET)
        );
    }
}
